"""A method or metric that raises: recorded with its reason, the rest goes on, tried again later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
from networks import tiny
from torch import nn

import xaibench
from xaibench.errors import XaibenchError
from xaibench.models.classifier import TorchClassifier

OPTIONS = {"method": "fakecam,gradient", "metric": "sparseness,average_drop", "limit": 2}


@pytest.fixture(autouse=True)
def _tiny() -> Iterator[None]:
    with mock.patch(
        "xaibench.stages.session.load_model", side_effect=lambda *_: tiny(classes=1000)
    ):
        yield


def run(out: Path, **more: object) -> dict[str, int]:
    return xaibench.run({**OPTIONS, "out": str(out), **more}).computed


def broken(where: str) -> object:
    return mock.patch(where, side_effect=RuntimeError("out of luck\nwith details"))


def counts(out: Path) -> dict[tuple[str, str, str], int]:
    scores = xaibench.load_scores(out)
    return scores.groupby(["method", "metric", "status"]).size().to_dict()


METHOD = "xaibench.methods.gradient.gradient_maps"
METRIC = "xaibench.metrics.sparsity.gini"


def test_a_method_that_raises_does_not_stop_the_others(tmp_path: Path) -> None:
    with broken(METHOD), pytest.raises(XaibenchError) as error:
        run(tmp_path)
    assert "4 failed: gradient failed: RuntimeError: out of luck with" in str(error.value)
    assert "\n" not in str(error.value)
    scores = xaibench.load_scores(tmp_path)
    lost = scores[scores.status == "failed"]
    assert len(scores) == 8
    assert set(lost.method) == {"gradient"}
    assert lost.value.isna().all()
    assert (lost.explained_index == -1).all()
    (record,) = (tmp_path / "failures" / "units").rglob("*.json")
    assert json.loads(record.read_text())["reason"] == "RuntimeError: out of luck with details"


def test_the_next_run_tries_again_and_leaves_no_trace(tmp_path: Path) -> None:
    with broken(METHOD), pytest.raises(XaibenchError):
        run(tmp_path)
    assert run(tmp_path) == {"predictions": 0, "maps": 2, "scores": 4}
    assert set(xaibench.load_scores(tmp_path).status) == {"ok"}
    assert len(pd.read_parquet(tmp_path / "scores")) == 8
    assert not list((tmp_path / "failures").rglob("*.json"))
    assert run(tmp_path) == {"predictions": 0, "maps": 0, "scores": 0}


def test_failing_again_counts_once(tmp_path: Path) -> None:
    for _ in range(2):
        with broken(METHOD), pytest.raises(XaibenchError):
            run(tmp_path)
    assert counts(tmp_path)["gradient", "sparseness", "failed"] == 2


def test_a_success_beside_an_old_failure_wins(tmp_path: Path) -> None:
    run(tmp_path)
    (good,) = (tmp_path / "scores" / "method=gradient").rglob("metric=sparseness/*.parquet")
    frame = pd.read_parquet(good, partitioning=None).assign(status="failed", value=float("nan"))
    frame.to_parquet(good.with_name(f"failed-{good.name}"))
    assert set(xaibench.load_scores(tmp_path).status) == {"ok"}
    assert len(xaibench.load_scores(tmp_path)) == 8


def test_a_metric_that_raises_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    with broken(METRIC), pytest.raises(XaibenchError, match="sparseness of fakecam failed"):
        run(tmp_path)
    assert counts(tmp_path) == {
        ("fakecam", "average_drop", "ok"): 2,
        ("fakecam", "sparseness", "failed"): 2,
        ("gradient", "average_drop", "ok"): 2,
        ("gradient", "sparseness", "failed"): 2,
    }
    assert run(tmp_path) == {"predictions": 0, "maps": 0, "scores": 4}


def test_maps_of_one_target_are_scored_though_another_fails(tmp_path: Path) -> None:
    xaibench.run({**OPTIONS, "out": str(tmp_path)}, stages=frozenset({"explain"}))
    both = ["ground_truth", "predicted"]
    with broken(METHOD), pytest.raises(XaibenchError):
        run(tmp_path, target=both, method="gradient", metric="sparseness")
    scores = xaibench.load_scores(tmp_path)
    assert scores.groupby("target").status.first().to_dict() == {
        "ground_truth": "ok",
        "predicted": "failed",
    }


def test_a_layer_that_nobody_knows_fails_its_method_alone(tmp_path: Path) -> None:
    with (
        mock.patch("xaibench.stages.session.load_model", return_value=_without_roles()),
        pytest.raises(XaibenchError, match="failed: no iba layer is known for tiny"),
    ):
        run(tmp_path, method="fakecam,iba(layer=iba)")
    assert counts(tmp_path)["fakecam", "sparseness", "ok"] == 2


def _without_roles() -> TorchClassifier:
    found = tiny(classes=1000)
    return replace(found, module=nn.Sequential(found.module), layers={})
