"""Frames of scores with known content, shared by the tests of the report."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from xaibench.report import write_report

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


@pytest.fixture
def make_frame() -> Callable[..., pd.DataFrame]:
    return frame


@pytest.fixture(scope="session")
def make_study() -> Callable[..., pd.DataFrame]:
    return study


@pytest.fixture(scope="session")
def full_study() -> pd.DataFrame:
    return study()


@pytest.fixture
def odd_study(full_study: pd.DataFrame) -> pd.DataFrame:
    """The full study and all that makes a table harder to set."""
    plain = full_study[full_study["transform"] == "none"]
    spec = plain[plain["method"] == "rise"].assign(method='rise(fill="50% & a_b#{c}$^~", n=2000)')
    other = plain[plain["metric"] == "insertion"].assign(metric="pointing_game(a|b=<1>)")
    odd = pd.concat([full_study.astype({"method": str, "metric": str}), spec, other])
    odd = odd.reset_index(drop=True)
    odd.loc[(odd["method"] == "lime") & (odd["image"] == "0003.jpg"), "status"] = "nonfinite"
    odd.loc[(odd["method"] == "gradcam") & (odd["image"] == "0004.jpg"), "status"] = "constant_map"
    odd.loc[odd["method"] == "iba", "status"] = "failed"
    return odd


@pytest.fixture
def report(tmp_path: Path) -> Callable[..., str]:
    """Write the report of a frame into `folder` (tmp_path); return what the terminal shows."""

    def write(
        scores: pd.DataFrame,
        width: int = 100,
        tables: list[int] | None = None,
        folder: Path = tmp_path,
    ) -> str:
        file = io.StringIO()
        write_report(scores, folder, tables, Console(file=file, width=width))
        return file.getvalue()

    return write
