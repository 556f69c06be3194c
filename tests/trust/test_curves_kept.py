"""`--keep-curves`: what insertion and deletion are the areas of stands beside their values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from units import COUNT, Killed, broken_in_call, files, run

import xaibench
from xaibench.errors import UsageError, XaibenchError
from xaibench.store import tables
from xaibench.store.health import findings
from xaibench.store.origin import Unsound
from xaibench.store.scores import COLUMNS

ASKED: dict[str, Any] = {
    "method": "gradient,fakecam",
    "metric": "deletion(rows_per_step=16),insertion(rows_per_step=16),sparseness",
}
CURVED = 2 * 2 * COUNT
STEPS = 64 // 16 + 1


def equal(out: Path, base: Path) -> None:
    """The same scores, to the bit."""
    ours, theirs = xaibench.load_scores(out), xaibench.load_scores(base)
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert list(ours) == list(COLUMNS)


def areas(out: Path) -> int:
    """How many curves there are; each has its value as its area, and the ends it must have."""
    scores = xaibench.load_scores(out).set_index(["method", "metric", "image"])["value"]
    known = xaibench.load_predictions(out).set_index("image")["probability_predicted"]
    count = 0
    for method in ("gradient", "fakecam"):
        for metric, end in (("insertion", -1), ("deletion", 0)):
            spec = f"{metric}(rows_per_step=16)"
            ids, curves = xaibench.load_curves(out, method, spec, "predicted")
            assert curves.shape == (len(ids), STEPS)
            assert curves.dtype == np.float64
            area = np.trapezoid(curves, dx=1 / (STEPS - 1), axis=1)
            assert np.abs(area - scores[method, spec][ids].to_numpy()).max() < 1e-12
            assert np.array_equal(curves[:, end], known[ids].to_numpy()), "the untouched image"
            count += len(ids)
    return count


@pytest.fixture(scope="module")
def plain(noise: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without curves."""
    out = tmp_path_factory.mktemp("plain") / "run"
    run(noise, out, **ASKED)
    return out


@pytest.fixture(scope="module")
def kept(noise: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with curves."""
    out = tmp_path_factory.mktemp("kept") / "run"
    run(noise, out, keep_curves=True, **ASKED)
    return out


def test_the_values_are_the_same_and_the_areas_of_the_curves(plain: Path, kept: Path) -> None:
    equal(kept, plain)
    assert areas(kept) == CURVED


def test_pandas_reads_one_tidy_frame(plain: Path, kept: Path) -> None:
    """The column comes last, in the rows of these metrics alone."""
    frame = pd.read_parquet(kept / "scores")
    named = frame["metric"].astype(str).str.partition("(")[0].isin(["insertion", "deletion"])
    assert frame["curve"].notna().equals(named)
    keys = ["method", "metric", "image"]
    of, without = (pd.read_parquet(o / "scores", columns=COLUMNS) for o in (kept, plain))
    pd.testing.assert_frame_equal(
        of.sort_values(keys, ignore_index=True), without.sort_values(keys, ignore_index=True)
    )


def test_a_run_goes_on_with_curves_where_they_are_missing(
    noise: Path, plain: Path, kept: Path, tmp_path: Path
) -> None:
    """Values without a curve are computed again, those of metrics that have none are not."""
    few = {**ASKED, "limit": 20}
    run(noise, tmp_path, **few)
    with pytest.raises(XaibenchError, match=r"no curves of insertion.*again with --keep-curves"):
        xaibench.load_curves(tmp_path, "gradient", "insertion(rows_per_step=16)", "predicted")
    made, _ = run(noise, tmp_path, keep_curves=True, **{**few, "limit": 30})
    assert made["scores"] == 2 * 2 * 30 + 2 * 10
    assert made["maps"] == 2 * 10
    assert areas(tmp_path) == 2 * 2 * 30
    made, _ = run(noise, tmp_path, **ASKED)  # without: what there is stays, the rest has none
    assert made["scores"] == 2 * 3 * 20
    equal(tmp_path, plain)
    assert areas(tmp_path) == 2 * 2 * 30
    assert not pd.read_parquet(tmp_path / "scores").duplicated(["method", "metric", "image"]).any()
    run(noise, tmp_path, keep_curves=True, **ASKED)
    equal(tmp_path, plain)
    assert areas(tmp_path) == CURVED
    names = [{p.relative_to(o) for p in files(o, "scores")} for o in (tmp_path, kept)]
    assert names[0] == names[1]
    assert not list(findings(tmp_path))
    again, _ = run(noise, tmp_path, keep_curves=True, **ASKED)
    assert not any(again.values())


def test_a_kill_loses_no_value(noise: Path, plain: Path, tmp_path: Path) -> None:
    """While values without a curve are replaced; the next run ends as if nothing had been."""
    run(noise, tmp_path, **ASKED)
    where = "xaibench.store.tables.save"
    with broken_in_call(where, 2, Killed()), pytest.raises(Killed):
        run(noise, tmp_path, keep_curves=True, **ASKED)
    run(noise, tmp_path, keep_curves=True, **ASKED)
    equal(tmp_path, plain)
    assert areas(tmp_path) == CURVED


def test_maps_that_are_not_kept_have_curves_too(noise: Path, kept: Path, tmp_path: Path) -> None:
    run(noise, tmp_path, keep_curves=True, keep_maps="none", **ASKED)
    equal(tmp_path, kept)
    assert areas(tmp_path) == CURVED


def test_a_changed_curve_is_found(noise: Path, tmp_path: Path) -> None:
    """By who reads it and by the doctor; a report reads values alone."""
    asked = {**ASKED, "limit": 3}
    run(noise, tmp_path, keep_curves=True, **asked)
    path = next(p for p in files(tmp_path, "scores") if tables.has_curves(p))
    table = pq.read_table(path, partitioning=None)
    curves = [[c + 1e-9 for c in curve] for curve in table["curve"].to_pylist()]
    pq.write_table(table.set_column(9, table.schema.field("curve"), [curves]), path)
    before = xaibench.load_scores(tmp_path)
    with pytest.raises(Unsound):
        tables.read(path)
    assert [found.path for found in findings(tmp_path)] == [path]
    made, _ = run(noise, tmp_path, **asked)
    assert made["scores"] == 3
    pd.testing.assert_frame_equal(xaibench.load_scores(tmp_path), before, check_exact=True)


def test_a_metric_of_ones_own(noise: Path, tmp_path: Path) -> None:
    """A metric that returns a curve has it stored; one that declares it must return it."""
    (tmp_path / "own.py").write_text(
        "from xaibench.registry import metric\n"
        "from xaibench.types import Rows\n"
        "def rows(scoring):\n"
        "    curve = scoring.maps.double().mean(2)\n"
        "    return Rows(curve.mean(1), curve=curve)\n"
        "@metric(keys={'torn': {'curve': True}})\n"
        "def torn(scoring):\n"
        "    return {'torn': scoring.maps.double().mean((1, 2))}\n"
    )
    asked = {"limit": 3, "method": "gradient", "keep_curves": True}
    run(noise, tmp_path / "out", metric=f"file:{tmp_path}/own.py:rows", **asked)
    ids, curves = xaibench.load_curves(
        tmp_path / "out", "gradient", "file:own.py:rows", "predicted"
    )
    values = xaibench.load_scores(tmp_path / "out").set_index("image")["value"]
    assert curves.shape == (3, 64)
    assert np.allclose(curves.mean(1), values[ids], rtol=1e-12)
    with pytest.raises(XaibenchError, match=r"return Rows\(values, curve=...\) for 'torn'"):
        run(noise, tmp_path / "out", metric=f"file:{tmp_path}/own.py:torn", **asked)


def test_names_are_found_however_they_are_typed(kept: Path) -> None:
    asked = "Gradient", "insertion( rows_per_step = 16 )", "Predicted"
    assert len(xaibench.load_curves(kept, *asked)[0]) == COUNT
    with pytest.raises(UsageError, match=r"gradcam.*fakecam|gradcam.*gradient"):
        xaibench.load_curves(kept, "gradcam", asked[1], "predicted")
