"""What plug-ins declare stands in the report as what the package declares does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from helpers import cli

from xaibench.analysis.tables import build_tables
from xaibench.config.names import expand
from xaibench.registry import entries

MODULE = '''
"""A method and a metric from elsewhere."""
raise_if_imported()
from xaibench.registry import method, metric
from xaibench.types import Cost, Explanation

@method(title="My CAM", family="cam", cost=lambda **_: Cost())
def mycam(ctx, batch, state, *, power: int = 1) -> Explanation:
    """How red each pixel is."""
    red = ctx.classifier.to_pixels(batch.images)[:, 0] ** power
    return Explanation(red[:, None].expand(-1, batch.targets.shape[1], -1, -1))

@metric(
    keys={
        "peak": {"title": "Peak", "direction": "higher", "unit": "share of the map", "digits": 4},
        "flat": {"direction": "lower", "opt_in": True},
    }
)
def extremes(scoring):
    """Two ways to say how high the highest value is."""
    found = (scoring.maps.flatten(1) / scoring.maps.flatten(1).sum(1, keepdim=True)).amax(1)
    return {"peak": found.double(), "flat": 1 - found.double()}
'''
POINTS = (
    "[xaibench.methods]\nmycam = ours.extra:mycam\n"
    "[xaibench.metrics]\npeak = ours.extra:extremes\nflat = ours.extra:extremes\n"
)
METHODS = ("opticam", "mycam", "mycam(power=2)", "gradcam", "rise", "iba(beta=5.0)")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with entry points, its module in a package that would say if it were imported."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "__init__.py").write_text("")
    (tmp_path / "ours" / "extra.py").write_text(MODULE)
    info = tmp_path / "ours-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1\n")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    entries.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    entries.cache_clear()


def scores(make_frame, metric: str) -> pd.DataFrame:
    return make_frame(
        {"method": method, "metric": metric, "image": image, "value": 0.1 * i}
        for i, method in enumerate(METHODS)
        for image in "ab"
    )


def test_all_leaves_out_what_a_plug_in_has_opt_in(folder: Path) -> None:
    assert "peak" in expand("metrics", ["all"])
    assert "flat" not in expand("metrics", ["all"])


@pytest.mark.parametrize(
    ("metric", "better", "best", "head"),
    [("peak", True, 5, "Peak, share of the map"), ("flat", False, 0, "flat")],
)
def test_a_plug_ins_metric_has_its_arrow_and_marks(
    folder: Path, make_frame, metric: str, better: bool, best: int, head: str
) -> None:
    (table,) = build_tables(scores(make_frame, metric))
    (column,) = table.columns
    assert (column.column.higher_is_better, column.column.header) == (better, head)
    assert column.column.digits == (4 if metric == "peak" else 3)
    marked = {row.method: line[0].place for row, line in zip(table.rows, table.cells, strict=True)}
    assert marked[METHODS[best]] == 1
    assert sorted(marked.values()) == [0, 0, 0, 0, 1, 2]


def test_methods_stand_in_the_family_they_declare(folder: Path, make_frame) -> None:
    (table,) = build_tables(scores(make_frame, "insertion"))
    families = {row.method: row.family for row in table.rows}
    assert [m for m, f in families.items() if f == "CAM based"] == [
        "gradcam",
        "mycam",
        "mycam(power=2)",
        "opticam",
    ]
    assert [m for m, f in families.items() if f == "Perturbation based"] == [
        "rise",
        "iba(beta=5.0)",
    ]
    labels = {row.method: row.label for row in table.rows}
    assert (labels["opticam"], labels["mycam"]) == ("Opti-CAM", "My CAM")


def test_a_run_carries_them_away_from_the_package(folder: Path) -> None:
    (folder / "ours" / "extra.py").write_text(MODULE.replace("raise_if_imported()\n", ""))
    out = folder / "run"
    words = ["--limit", 2, "--out", out]
    assert cli("run", "--method", "mycam,fakecam", "--metric", "sparseness", *words)[0] == 0
    written = json.loads((out / "manifests" / "catalog.json").read_text())
    assert (list(written["methods"]), list(written["metrics"])) == (
        ["mycam", "fakecam"],
        ["sparseness"],
    )
    assert cli("score", "--method", "mycam,fakecam", "--metric", "peak", *words)[0] == 0
    (folder / "ours-1.0.dist-info" / "entry_points.txt").unlink()
    entries.cache_clear()
    assert "mycam" not in entries("methods")
    shutil.rmtree(out / "maps")  # what reads these needs the method itself
    code, _, err = cli("report", out)
    assert code == 0, err
    page = (out / "report" / "tables.md").read_text()
    assert "CAM based | My CAM" in page
    assert "Peak, share of the map \u2191" in page
