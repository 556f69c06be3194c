"""What a method or metric does to its inputs reaches no other."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from unittest import mock

import pandas as pd
import torch
from networks import THOUSAND

import xaibench
from xaibench.core.score import _drive
from xaibench.registry import get


def run(out: Path) -> pd.DataFrame:
    options = {
        "model": THOUSAND,
        "method": "gradient,gradcam,iba(steps=2),rise(n_masks=4)",
        "limit": 2,
    }
    metrics = "sparseness,average_drop,insertion,monotonicity,max_sensitivity(explanation=method)"
    xaibench.run({**options, "metric": metrics, "target": "predicted,ground_truth", "out": out})
    return xaibench.load_scores(out)


def vandal(*given: object) -> None:
    """Zero every tensor that can be reached."""
    for one in given:
        if isinstance(one, torch.Tensor):
            one.zero_()
        elif isinstance(one, dict):
            vandal(*one.values())
        elif dataclasses.is_dataclass(one):
            vandal(*(getattr(one, f.name) for f in dataclasses.fields(one)))


def test_a_method_that_writes_in_place(tmp_path: Path) -> None:
    """The first method of a unit zeroes images, targets and its state once it has explained."""
    expected = run(tmp_path / "a")

    def careless(function):
        def explain(ctx, batch, state, **options):
            found = function(ctx, batch, state, **options)
            vandal(batch, state)
            return found

        return explain

    methods = {key: get("methods", key) for key in ("gradient", "iba", "rise")}
    others = {
        key: dataclasses.replace(entry, function=careless(entry.function))
        for key, entry in methods.items()
    }
    real = xaibench.config.requests.get

    def changed(kind: str, name: str) -> object:
        return others[name] if kind == "methods" and name in others else real(kind, name)

    with mock.patch("xaibench.config.requests.get", changed):
        found = run(tmp_path / "b")
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_metric_that_writes_in_place(tmp_path: Path) -> None:
    """Every metric's own scoring is zeroed before the forwards of the others are made."""
    expected = run(tmp_path / "a")

    def drive(base, calls):
        def careless(entry):
            def score(scoring, **options):
                result = entry(scoring, **options)
                if isinstance(result, dict):
                    vandal(scoring)
                return result

            return dataclasses.replace(entry, function=score)

        wild = {
            name: [dataclasses.replace(m, entry=careless(m.entry)) for m in asked]
            for name, asked in calls.items()
        }
        return _drive(base, wild)

    with mock.patch("xaibench.core.score._drive", drive):
        found = run(tmp_path / "b")
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
