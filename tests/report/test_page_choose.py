"""Which method to choose, as a page: all formats, and what stands in its cells."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from frames import EXACT, study
from rich.console import Console

from xaibench.analysis.agreement import Mean, Pair
from xaibench.analysis.compare import Source
from xaibench.report import write_pages
from xaibench.report.pages.choose import of_run

METHODS = ("fakecam", "gradient", "gradcam", "rise")


@pytest.fixture(scope="module")
def source() -> Source:
    """Grad-CAM is the best by far in fidelity, RISE has no maps."""
    scores = study(20, METHODS)
    scores = scores[scores["transform"] == "none"].astype({"metric": str})
    best = (scores["method"] == "gradcam") & scores["metric"].isin(("insertion", "average_gain"))
    scores.loc[best, "value"] += 2
    scores.loc[(scores["method"] == "gradcam") & (scores["metric"] == "deletion"), "value"] -= 2
    scores = scores[scores["metric"].isin(("insertion", "average_gain", "deletion", "sparseness"))]
    rho = [("gradient", "gradcam", 0.25), ("gradcam", "fakecam", -0.5)]
    none = Mean(0.0, 0.0, 0.0)
    pairs = [Pair(a, b, Mean(r, r, r), none, 20, 0) for a, b, r in rho]
    return Source("run", scores, catalog=EXACT, agreement=lambda: pairs)


def test_every_format_has_the_table_and_the_sentences(source: Source, tmp_path: Path) -> None:
    paths = write_pages(["choose"], source, tmp_path, Console(quiet=True))
    assert [path.suffix for path in paths] == [".md", ".csv", ".json", ".html"]
    for path in paths[0], paths[3]:
        assert "Choose Grad-CAM: no other method that can be chosen beats it" in path.read_text()
    content = json.loads(paths[2].read_text())
    assert len(content["sentences"]) == 5
    assert [g["first"] for g in content["groups"] if g["group"] == "fidelity"] == ["gradcam"]
    with paths[1].open() as file:
        duels = list(csv.DictReader(file))
    assert len(duels) == len(content["duels"]) == 2 * 6  # two groups, six pairs
    assert {d["winner"] for d in duels if "gradcam" in (d["first"], d["second"])} >= {"gradcam"}


def test_the_cells(source: Source) -> None:
    page = of_run(source)
    grid = page.sections[0].blocks[0]
    assert [column.head for column in grid.columns] == [
        "Fidelity rank",
        "Complexity rank",
        "Agreement",
    ]
    assert grid.rows[0].label == "Grad-CAM"
    assert (grid.rows[-1].label, grid.rows[-1].detail) == ("Fake-CAM", "control")
    best = grid.cells[0][0]
    assert (best.text, best.tone, best.flags) == ("1.0", "strong", ("beats 3",))
    agreement = {row.label: line[-1].text for row, line in zip(grid.rows, grid.cells, strict=True)}
    assert agreement == {"Grad-CAM": "0.25", "Gradient": "0.25", "RISE": "-", "Fake-CAM": "-0.50"}


def test_a_metric_of_no_group_has_one_of_its_own() -> None:
    rows = study(12, ["gradcam", "rise"])
    rows = rows[(rows["transform"] == "none") & (rows["metric"] == "insertion")]
    odd = rows.astype({"metric": str}).assign(metric="file:my.py:peak")
    page = of_run(Source("run", pd.concat([rows.astype({"metric": str}), odd]), catalog=EXACT))
    said = " ".join(block.text for block in page.blocks)
    assert "Not ranked: file:my.py:peak (other): no value of it is better than another." in said
