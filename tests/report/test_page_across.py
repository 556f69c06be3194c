"""Rankings of several runs as a page: all formats, what stands in its cells, its heat map."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import pytest
from fits import assert_nothing_is_cut
from frames import EXACT, METHODS, declared, study
from rich.console import Console

from xaibench.analysis.across import PAPER, Across, across
from xaibench.analysis.compare import Source
from xaibench.report import write_across
from xaibench.report.figures import across as figure
from xaibench.report.pages.across import page, sentences

FEW = ("fakecam", "gradient", "gradcam", "rise")


def runs(*images: int, methods: Sequence[str] = FEW) -> list[Source]:
    return [
        Source(f"runs/{i}", study(n, methods).astype({"metric": str}), catalog=EXACT)
        for i, n in enumerate(images)
    ]


@pytest.fixture(scope="module")
def found() -> Across:
    return across(runs(20, 12, 5), resamples=100)


def test_every_format_has_the_numbers(tmp_path: Path) -> None:
    sources = runs(20, 12)
    paths = write_across(sources, tmp_path, Console(quiet=True))
    endings = [".md", ".csv", ".json", ".html", ".png", ".svg"]
    assert [path.suffix for path in paths] == endings
    assert all(path.stem == "across" and path.stat().st_size for path in paths)
    content = json.loads(paths[2].read_text())
    found = across(sources)
    ranks = [
        (metric.column.metric, "paper" if run == PAPER else found.runs[run].name, method, one.rank)
        for metric in found.metrics
        for run, ranked in metric.rankings.items()
        for method, one in ranked.ranks.items()
    ]
    with paths[1].open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["metric"], r["run"], r["method"], float(r["rank"])) for r in rows] == ranks
    assert len(content["ranks"]) == len(ranks)
    assert len(content["taus"]) == sum(len(metric.taus) for metric in found.metrics)
    kept = [pair["everywhere"] for pair in content["pairs"]]
    assert kept == [pair.everywhere for metric in found.metrics for pair in metric.pairs]
    text = f"{sum(map(bool, kept))} keep their order in every run"
    assert text in content["sentences"][1]
    assert content["sentences"][1] in paths[0].read_text()
    bare = write_across(sources, tmp_path, Console(quiet=True), paper=False)
    assert PAPER not in {rank["run"] for rank in json.loads(bare[2].read_text())["ranks"]}


def test_what_a_stand_in_ranks_in_print_is_not_compared() -> None:
    """Nor do methods that never differ count among those that keep their order or not."""
    own = declared(sensitivity={"explanation": "method"})
    scores = [study(n, FEW).astype({"metric": str}) for n in (20, 12)]
    for one in scores:
        one.loc[one["metric"] == "sparseness", "value"] = 0.0
    found = across([Source(f"{i}", one, catalog=own) for i, one in enumerate(scores)])
    (odd,) = (m for m in found.metrics if m.column.metric == "max_sensitivity")
    assert odd.column.header in found.stood_in
    assert PAPER in odd.rankings
    said = list(sentences(found))
    theirs = [m for m in found.metrics if m.column.header not in found.stood_in]
    all_taus, taus = (
        [c for m in of for c in m.taus if c.second == PAPER and c.tau is not None]
        for of in (found.metrics, theirs)
    )
    assert f"in the median of {len(taus)}," in said[3]
    assert len(taus) < len(all_taus)
    pairs = [p for m in found.metrics for p in m.pairs]
    assert f"Of {len(pairs) - 6:,} pairs" in said[1]  # four methods alike by Sparseness


def test_the_cells(found: Across) -> None:
    shown = page(found)
    taus, ranks, counts, every = (
        next(b for b in section.blocks if hasattr(b, "cells")) for section in shown.sections
    )
    heads = [column.head for column in taus.columns]
    assert heads == ["A, B", "A, C", "B, C", "A, paper", "B, paper", "C, paper"]
    assert [row.label for row in taus.rows] == [m.column.header for m in found.metrics]
    first = found.metrics[0].taus[0]
    assert taus.cells[0][0].first == f"{first.tau:.2f} [{first.low:.2f}, {first.high:.2f}]"
    assert taus.cells[0][1].interval.endswith("!")  # five images
    assert [column.head for column in ranks.columns] == ["A", "B", "C", "paper"]
    best = [row.label for row, line in zip(ranks.rows, ranks.cells, strict=True)
            if row.family == "AI%" and line[3].text == "1"]  # fmt: skip
    assert best == ["Fake-CAM"]  # Table 1 of the paper
    for metric, line in zip(found.metrics, counts.cells, strict=True):
        kept = [pair for pair in metric.pairs if pair.everywhere]
        surely = sum(pair.surely for pair in kept)
        assert [cell.text for cell in line[1:4]] == [
            str(sum(pair.differ for pair in metric.pairs)),
            str(len(kept)),
            str(surely),
        ]
    assert len(every.rows) == 6
    column = [line[0].text[0] for line in every.cells]
    marks = {1: ">", -1: "<", 0: "-"}
    assert column == [marks[pair.everywhere] for pair in found.metrics[0].pairs]


def test_what_is_left_out_is_said() -> None:
    one, two = runs(12, 12)
    less = Source("less", two.scores[two.scores["method"] != "rise"], catalog=EXACT)
    text = " ".join(block.text for block in page(across([one, less])).blocks[1:])
    assert "Left out: RISE by AI%, 100 - AD%" in text
    assert "(not scored in B)" in text


def test_what_a_run_ranks_on_fewer_images_is_said() -> None:
    """RISE has an image less than the others by one metric."""
    few = runs(20, 12)
    scores = few[1].scores
    gone = (scores["method"] == "rise") & (scores["metric"] == "average_increase")
    few[1] = Source(
        "runs/1", scores[~(gone & (scores["image"] == scores["image"].min()))], catalog=EXACT
    )
    blocks = page(across(few, resamples=100)).blocks[1:]
    told = [block.text for block in blocks if " ranks by " in block.text]
    assert told == [
        "Run B ranks by AI% on 11 of its 12 images: those that every ranked method has."
    ]
    assert " ranks by " not in "".join(b.text for b in page(across(runs(20, 12))).blocks[1:])


@pytest.mark.parametrize("count", [2, 7])
def test_nothing_of_the_heat_map_is_cut(count: int) -> None:
    (run,) = runs(6, methods=METHODS[:3])
    some = run.scores[run.scores["metric"].isin(["average_drop", "monotonicity", "completeness"])]
    found = across([Source("runs/a", some, catalog=EXACT)] * count, resamples=20)
    with mock.patch.object(figure, "save") as save:
        figure.draw(found, Path("nowhere"))
    assert_nothing_is_cut(save.call_args.args[0], 100)
