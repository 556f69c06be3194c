"""A method or metric that raises: recorded with its reason, the rest goes on, tried again later."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
import torch
from networks import THOUSAND, tiny
from torch import nn

import xaibench
from xaibench.api import run_configs
from xaibench.config.run import load_config
from xaibench.datasets.load import Unreadable
from xaibench.errors import XaibenchError
from xaibench.models.classifier import TorchClassifier
from xaibench.stages.images import Images
from xaibench.store import tables
from xaibench.types import Explanation

OPTIONS = {
    "model": THOUSAND,
    "method": "fakecam,gradient",
    "metric": "sparseness,average_drop",
    "limit": 2,
}


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
    table, made = tables.load(good)
    rows = table.to_pydict() | {"status": ["failed"] * 2, "value": [math.nan] * 2}
    tables.save(good.with_name(f"failed-{good.name}"), rows, tables.SCORES, made)
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
    config = {**OPTIONS, "method": "fakecam,iba(layer=iba)", "out": tmp_path}
    with pytest.raises(XaibenchError, match="failed: no iba layer is known for tiny"):
        xaibench.run(config, network=_without_roles())
    assert counts(tmp_path)["fakecam", "sparseness", "ok"] == 2


def _without_roles() -> TorchClassifier:
    found = tiny(classes=1000)
    return replace(found, module=nn.Sequential(found.module), layers={})


def rows(out: Path) -> pd.DataFrame:
    """What pandas itself reads: one row an image, method and metric."""
    found = pd.read_parquet(out / "scores")
    assert not found.duplicated(["image", "method", "metric"]).any()
    return found


def test_failures_of_a_smaller_and_a_larger_run_are_one_row_each(tmp_path: Path) -> None:
    for limit in (3, 5):
        with broken(METHOD), pytest.raises(XaibenchError):
            run(tmp_path, limit=limit)
    assert rows(tmp_path).groupby("status").size().to_dict() == {"failed": 10, "ok": 10}


def test_a_success_for_some_keeps_the_failures_of_the_others(tmp_path: Path) -> None:
    with broken(METHOD), pytest.raises(XaibenchError):
        run(tmp_path, limit=5)
    run(tmp_path, limit=2)
    lost = rows(tmp_path)[rows(tmp_path).status == "failed"]
    assert lost.groupby("metric").size().to_dict() == {"average_drop": 3, "sparseness": 3}
    assert list((tmp_path / "failures" / "units").rglob("*.json"))
    run(tmp_path, limit=5)
    assert set(rows(tmp_path).status) == {"ok"}
    assert not list((tmp_path / "failures").rglob("*.json"))


def test_images_without_a_map_do_not_take_the_others_with_them(tmp_path: Path) -> None:
    common = {**OPTIONS, "method": "fakecam", "out": str(tmp_path)}
    xaibench.run({**common, "limit": 3}, stages=frozenset({"explain"}))
    with pytest.raises(XaibenchError, match="4 scores need maps that are not there"):
        xaibench.run({**common, "limit": 5}, stages=frozenset({"score"}))
    assert rows(tmp_path).groupby("status").size().to_dict() == {"ok": 6}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda *_, **__: torch.zeros(2, 1, 4, 4), "returned Tensor; expected an Explanation"),
        (lambda *_, **__: Explanation(torch.zeros(2, 4, 4)), "maps of shape"),
        (
            lambda *_, **__: Explanation(torch.zeros(2, 1, 4, 4), {"sum": torch.zeros(2)}),
            "sum of shape",
        ),
    ],
)
def test_a_wrong_return_value_of_a_method_is_its_own_failure(
    tmp_path: Path, wrong: object, said: str
) -> None:
    with mock.patch(METHOD, wrong), pytest.raises(XaibenchError, match=said):
        run(tmp_path)
    assert counts(tmp_path)["fakecam", "sparseness", "ok"] == 2
    assert counts(tmp_path)["gradient", "sparseness", "failed"] == 2


def test_a_wrong_return_value_of_a_metric_is_its_own_failure(tmp_path: Path) -> None:
    with (
        mock.patch(METRIC, return_value=torch.zeros(7)),
        pytest.raises(XaibenchError, match="must return 2 values for 'sparseness'"),
    ):
        run(tmp_path)
    assert counts(tmp_path)["fakecam", "average_drop", "ok"] == 2


def test_overwriting_with_several_configurations_empties_once(tmp_path: Path) -> None:
    one, two = (
        load_config({**OPTIONS, "method": name, "out": tmp_path, "overwrite": True})
        for name in ("fakecam", "gradient")
    )
    run(tmp_path, method="gradcam")
    run_configs([one, two], say=print)
    assert set(rows(tmp_path).method) == {"fakecam", "gradient"}


def test_a_left_over_temporary_file_is_no_map(tmp_path: Path) -> None:
    run(tmp_path)
    (shard,) = (tmp_path / "maps" / "gradient").rglob("*.safetensors")
    shard.with_name(f".tmp-1{shard.suffix}").write_bytes(b"half")
    (held,) = (tmp_path / "predictions").rglob("*.parquet")
    held.with_name(f".tmp-1{held.suffix}").write_bytes(b"half")
    assert len(xaibench.load_maps(tmp_path, "gradient")[0]) == 2
    assert len(xaibench.load_predictions(tmp_path)) == 2


def test_an_image_that_cannot_be_read_any_more_is_said(tmp_path: Path) -> None:
    """Neither its group nor it silently changes: mixup's partner is not another image."""
    common = {
        "model": THOUSAND,
        "method": "fakecam",
        "metric": "average_drop",
        "transform": "mixup",
        "limit": 1,
    }
    xaibench.run({**common, "method": "gradcam", "out": str(tmp_path)})
    real = Images.read

    def without_the_third(self: Images, places: list[int]) -> object:
        good, images, bad = real(self, places)
        kept = [i for i, p in enumerate(good) if p != 3]
        gone = [Unreadable(self.dataset.ids[3], "OSError: gone")] if 3 in good else []
        return [good[i] for i in kept], images[kept], bad + gone

    with (
        mock.patch.object(Images, "read", without_the_third),
        pytest.raises(XaibenchError, match="was readable when the run began and is not now"),
    ):
        xaibench.run({**common, "out": str(tmp_path)})
