"""Frames of scores with known content, and what runs of stated options declare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from xaibench.config.catalog import Catalog
from xaibench.config.declared import of_protocol

RUN = {"model": "resnet50", "dataset": "imagenet", "protocol": "published"}
FIDELITY = ("average_increase", "average_drop", "average_gain", "insertion", "deletion")
SPREAD = {  # natural units: (centre, spread)
    "average_increase": (0.45, 0.5),
    "average_drop": (0.2, 0.3),
    "average_gain": (0.15, 0.2),
    "insertion": (0.6, 0.3),
    "deletion": (0.15, 0.1),
    "monotonicity": (0.4, 0.5),
    "max_sensitivity": (0.93, 0.05),
    "avg_sensitivity": (0.92, 0.05),
    "sparseness": (0.4, 0.1),
    "complexity": (10.4, 0.2),
    "effective_complexity": (49000.0, 2000.0),
    "completeness": (0.0, 0.0),
}
METHODS = "fakecam gradient ig guidedbp gradcam gradcampp scorecam rise lime iba".split()


def declared(transposed: Iterable[str] = (), **metrics: dict[str, Any]) -> Catalog:
    """The declarations under options of metrics by function: `completeness={"test": "exact"}`."""
    steps = {method: {"transpose": True} for method in transposed}
    return of_protocol({"metrics": metrics, "normalization": steps})


EXACT, RESIDUAL = (declared(completeness={"test": test}) for test in ("exact", "residual"))


def frame(rows: Iterable[dict], **run: str) -> pd.DataFrame:
    """Complete partial rows to what a run writes."""
    defaults = {
        "image": "a.jpg",
        "target": "ground_truth",
        "transform": "none",
        "variation": "none",
        "method": "gradcam",
        "metric": "insertion",
        "status": "ok",
        "value": 0.5,
        "label": 3,
        "class_index": 3,
        "explained_index": 3,
    }
    return pd.DataFrame([{**defaults, **RUN, **run, **row} for row in rows])


def study(images: int = 20, methods: Iterable[str] = METHODS, **run: str) -> pd.DataFrame:
    """Random scores for all four tables, with the partition columns as categoricals."""
    rng = np.random.default_rng(1)
    rows = []
    for method in methods:
        cells = [("ground_truth", "none", "none", metric) for metric in SPREAD]
        for target in ("predicted", "least_probable"):
            cells += [(target, "none", "none", metric) for metric in FIDELITY]
        for transform, names in {
            "mixup": (44, 55, 93, 32),
            "resize": (32, 64, 128, 448),
            "rotation": (45, 135, 225, 315),
            "crop": (44, 55, 93, 32),
        }.items():
            cells += [
                ("ground_truth", transform, str(name), metric)
                for name in names
                for metric in FIDELITY
            ]
        for target, transform, variation, metric in cells:
            centre, spread = SPREAD[metric]
            values = np.maximum(rng.normal(centre, spread, images), 0)
            if metric != "effective_complexity" and metric != "complexity":
                values = np.minimum(values, 1)
            rows += [
                {
                    "image": f"{i:04d}.jpg",
                    "target": target,
                    "transform": transform,
                    "variation": variation,
                    "method": method,
                    "metric": metric,
                    "value": float(value),
                }
                for i, value in enumerate(values)
            ]
    scores = frame(rows, **run)
    for column in ("method", "target", "transform", "variation", "metric"):
        scores[column] = scores[column].astype("category")
    return scores


@pytest.fixture(scope="session")
def make_frame() -> Callable[..., pd.DataFrame]:
    return frame


@pytest.fixture(scope="session")
def make_study() -> Callable[..., pd.DataFrame]:
    return study


@pytest.fixture(scope="session")
def full_study() -> pd.DataFrame:
    return study()
