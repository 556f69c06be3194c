"""--until: which images a mean stops at, whatever came between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from helpers import cli
from networks import THOUSAND
from oracles import sequences as oracle

import xaibench
from xaibench.config.run import load_config
from xaibench.datasets.load import load_dataset
from xaibench.datasets.select import drawn_rank
from xaibench.errors import UsageError, XaibenchError
from xaibench.execution import local
from xaibench.stages.run import resolve

POINTS = 43.0
COMMON: dict[str, Any] = {
    "model": THOUSAND,
    "method": "gradient,fakecam,gradcam",
    "metric": "sparseness,average_drop,average_increase,complexity",
    "target": "ground_truth,predicted",
    "workers": 0,
}
ORDER = sorted(load_dataset("samples").ids, key=lambda image: drawn_rank(0, image))
CELL = ["method", "target", "transform", "metric"]


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with mock.patch("xaibench.datasets.base.BLOCK", 5):
        yield


def run(out: Path, **more: Any) -> xaibench.api.RunResult:
    return xaibench.run({**COMMON, "until": POINTS, "out": out, **more})


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("until") / "run"
    run(out)
    return out


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    out = tmp_path_factory.mktemp("whole") / "run"
    xaibench.run({**COMMON, "order": "drawn", "out": out})
    return xaibench.load_scores(out)


def same(a: Path, b: Path) -> None:
    frames = [xaibench.load_scores(out) for out in (a, b)]
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_means_stop_where_an_oracle_is_sure(stopped: Path, whole: pd.DataFrame) -> None:
    found = xaibench.load_scores(stopped)
    sizes = found.groupby(CELL).size()
    assert sizes.index.get_level_values("metric").nunique() == 4
    assert set(sizes.xs("complexity", level="metric")) == {20}, "it has no bound"
    assert len(set(sizes)) > 2, "means stop at different blocks"
    for cell, n in sizes.drop("complexity", level="metric").items():
        rows = whole.set_index(CELL).loc[[cell]].set_index("image").value
        for end in (5, 10, 15, 20):
            values = [float(rows[image]) for image in ORDER[:end]]
            if oracle.sure(values, 20, POINTS / 100):
                break
        assert n == end, cell
        kept = found.set_index(CELL).loc[[cell]].set_index("image").value
        assert set(kept.index) == set(ORDER[:n])
        assert (kept == rows[kept.index]).all()


def test_a_map_that_no_open_mean_needs_is_not_made(stopped: Path, tmp_path: Path) -> None:
    run(tmp_path, method="fakecam", metric="sparseness", target="ground_truth")
    ids, _ = xaibench.load_maps(tmp_path, "fakecam")
    assert set(ids) == set(xaibench.load_scores(tmp_path).image) == set(ORDER[: len(ids)])
    assert len(ids) < 20
    assert len(xaibench.store.read.load_predictions(tmp_path)) == len(ids)


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_interrupted_and_resumed_it_is_the_same(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int
) -> None:
    real, calls = local.run_block, iter(range(blocks))

    def breaking(*given: Any) -> Any:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(local, "run_block", breaking)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    monkeypatch.setattr(local, "run_block", real)
    run(tmp_path)
    same(tmp_path, stopped)


def test_divided_by_methods_it_is_the_same(stopped: Path, tmp_path: Path) -> None:
    for method in ("gradcam", "gradient,fakecam"):
        run(tmp_path, method=method)
    result = run(tmp_path)
    assert not any(result.computed.values())
    same(tmp_path, stopped)


def test_what_stopped_where_is_said(stopped: Path) -> None:
    result = run(stopped)
    assert not any(result.computed.values())
    sizes = xaibench.load_scores(stopped).groupby(["method", "target", "metric"]).size()
    record = json.loads(max((stopped / "manifests").glob("run-*.json")).read_text())["until"]
    assert (record["points"], record["images"], record["means"]) == (POINTS, 20, 18)
    for one in record["sure"]:
        assert one["images"] == sizes[one["method"], one["target"], one["metric"]]
    first = record["sure"][0]
    named = f"{first['metric']} of {first['method']}, {first['target']}: {first['images']} images"
    assert f"sure within 43 points: {len(record['sure'])} of 18 means ({named}" in result.line
    assert "more in manifests/" in result.line


def test_a_smaller_one_goes_on_and_a_larger_one_keeps(stopped: Path, tmp_path: Path) -> None:
    one = {"method": "gradcam", "metric": "average_drop", "target": "ground_truth"}
    run(tmp_path, **one)
    before = len(xaibench.load_scores(tmp_path))
    run(tmp_path, **one, until=12)
    after = xaibench.load_scores(tmp_path)
    assert before < len(after)
    run(tmp_path, **one, until=80)
    pd.testing.assert_frame_equal(after, xaibench.load_scores(tmp_path))


def test_a_dry_run_says_what_is_left_at_most(stopped: Path, tmp_path: Path) -> None:
    said: list[str] = []
    xaibench.run({**COMMON, "until": POINTS, "out": tmp_path, "dry_run": True}, say=said.append)
    text = "\n".join(said)
    assert "20 predictions, 120 maps, 480 scores" in text
    assert "at most: until 43 stops what is sure before (sure within 43 points: 0 of 18" in text
    assert "until 43: without bounds, so on all images: complexity" in text
    said.clear()
    xaibench.run({**COMMON, "until": POINTS, "out": stopped, "dry_run": True}, say=said.append)
    assert "0 predictions, 0 maps, 0 scores" in "\n".join(said)


def test_unreadable_images_say_nothing(tmp_path: Path) -> None:
    from PIL import Image

    data = tmp_path / "data"
    data.mkdir()
    for i in range(20):
        Image.new("RGB", (64, 64), (12 * i, 90, 0)).save(data / f"{i:02d}.png")
    order = sorted((p.name for p in data.iterdir()), key=lambda image: drawn_rank(0, image))
    (data / order[1]).write_bytes(b"no picture")
    one = {"method": "fakecam", "metric": "sparseness", "target": "predicted"}
    run(tmp_path / "out", **one, data=str(data))
    found = xaibench.load_scores(tmp_path / "out")
    values = found.set_index("image").value.reindex(order)
    for end in (5, 10, 15, 20):
        seen = [None if np.isnan(x) else float(x) for x in values[:end]]
        if oracle.sure(seen, 20, POINTS / 100):
            break
    assert set(found.image) == set(order[:end]) - {order[1]}
    assert end < 20


def test_transformed_images_stop_by_groups(tmp_path: Path) -> None:
    more = {"transform": "none,rotation", "metric": "sparseness", "method": "fakecam,gradient"}
    run(tmp_path, **more, until=60)
    found = xaibench.load_scores(tmp_path)
    sizes = found[found["transform"] == "rotation"].groupby([*CELL, "variation"]).size()
    assert set(sizes) <= {5, 10, 15, 20}
    assert not any(run(tmp_path, **more, until=60).computed.values())


def test_a_subset_is_the_set(tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    chosen.write_text("\n".join(ORDER[10:2:-1]))
    config = load_config({**COMMON, "until": 1, "subset": chosen, "out": tmp_path / "out"})
    held = resolve(config)
    assert held.dataset.ids == tuple(ORDER[3:11])
    assert held.subset.whole


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "much", ""])
def test_no_number_of_points_is_refused(tmp_path: Path, value: str) -> None:
    code, _, err = cli("run", "--until", value, "--out", tmp_path / "out")
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "until" in err
    assert not (tmp_path / "out").exists()


def test_the_datasets_order_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="drop --order dataset"):
        load_config({"until": 1, "order": "dataset"})
    assert load_config({"until": 1}).directory.name == "samples-efficientnet_lite0-published-drawn"
    xaibench.run({**COMMON, "limit": 1, "method": "fakecam", "out": tmp_path})
    with pytest.raises(XaibenchError, match=r"drawn asked for.*choose another --out"):
        run(tmp_path)


def test_the_report_marks_what_stopped(stopped: Path) -> None:
    code, out, err = cli("report", stopped, "--table", "1")
    assert code == 0, err
    assert "until 43" in out
    for kind in ("md", "tex", "html", "csv", "json"):
        text = (stopped / "report" / f"tables.{kind}").read_text()
        assert "until 43" in text
        assert kind == "csv" or "takes no more" in text or "took no more" in text
    (table,) = json.loads((stopped / "report" / "tables.json").read_text())["tables"]
    scores = xaibench.load_scores(stopped)
    for cell in table["cells"]:
        name = cell["metric"].removesuffix("_bar")
        rows = scores.query("method == @cell['method'] and target == 'ground_truth'")
        held = rows[rows.metric == name].set_index("image").value
        assert cell["n"] == len(held)
        low, high = oracle.interval([float(held[i]) for i in ORDER[: len(held)]], 20, POINTS / 100)
        ends = (cell["low"], cell["high"])
        if name == "average_drop":
            ends = (100 - ends[1], 100 - ends[0])
        assert 100 * low - 0.5 <= ends[0] <= 100 * low + 0.001
        assert 100 * high - 0.001 <= ends[1] <= 100 * high + 0.5
    code, out, err = cli("report", stopped, "--claims")
    assert code == 0, err
    assert "stopped when it was sure (--until)" in " ".join(out.split())


@pytest.mark.parametrize("count", [10, 20])
def test_maps_made_elsewhere_are_of_all_images(tmp_path: Path, count: int) -> None:
    """The report could not tell which images the mean is over, where some have no map."""
    maps, out = tmp_path / "maps.npz", tmp_path / "out"
    drawn = np.random.default_rng(0).random((count, 7, 7), np.float32)
    np.savez(maps, ids=np.array(ORDER[-count:]), maps=drawn)
    asked = ["--maps", maps, "--metric", "average_drop", "--until", 40, "--out", out]
    code, _, err = cli("score", "--model", THOUSAND, "--workers", 0, *asked)
    refused = "has maps of 10 of 20: drop --until" in err
    assert (code, refused) == ((2, True) if count == 10 else (0, False))
