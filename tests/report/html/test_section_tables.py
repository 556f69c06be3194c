"""The tables of the page: which there are, how strong a colour is, what a hint says."""

from __future__ import annotations

import pytest
from frames import declared, frame
from pages import EVIL, METHODS, source

from xaibench.analysis.footnotes import UNSURE
from xaibench.analysis.tables import build_table
from xaibench.report.html.scores import Scored, Shown, legend, shown, span, step


def tables(number: int, paper: bool = True) -> list[Shown]:
    held = source("a")
    table = build_table(held.scores, number, catalog=held.catalog, resamples=50)
    return list(shown(table, held.known, paper))


def test_methods_that_the_paper_does_not_have_stand_apart() -> None:
    own, more = tables(1)
    assert [row.label for row in own.grid.rows] == ["Fake-CAM", "Grad-CAM", "RISE"]
    assert [row.label for row in more.grid.rows] == [EVIL]
    assert own.key == "table-1"
    assert more.title == "Table 1: methods that the paper does not have"
    assert more.notes == []


def test_methods_alone_that_the_paper_does_not_have_are_the_table() -> None:
    scores = frame({"method": "mine", "image": f"{i}", "value": 0.1 * i} for i in range(3))
    (only,) = shown(build_table(scores, 1), declared())
    assert only.title == "Table 1. Fidelity, ground-truth class (3 images)"
    assert [row.label for row in only.grid.rows] == ["mine"]


def test_a_hint_names_the_cell_and_what_is_in_its_mean() -> None:
    (first,) = tables(1)[0].cells[0][:1]
    assert isinstance(first, Scored)
    assert first.words.hint.startswith(
        "Fake-CAM, AI%: n 12 images, 0 constant, 0 left out. Paper: 47.3."
    )
    assert (first.paper, first.difference[0] in "+-") == ("47.3", True)


def test_what_a_mark_at_an_interval_is_stands_in_the_legend_and_below_no_table() -> None:
    found = tables(1)  # three images of the method that the paper does not have
    assert legend(found)["doubted"] == UNSURE
    assert not [note for table in found for note in table.notes if note == UNSURE]


def test_without_the_papers_numbers_no_cell_has_one() -> None:
    cells = [cell for table in tables(1, paper=False) for line in table.cells for cell in line]
    assert {(cell.paper, cell.difference, cell.step) for cell in cells if cell} == {("", "", 0)}
    assert not any("Paper" in cell.words.hint for cell in cells if cell)
    assert not legend(tables(1, paper=False))["paper"]


@pytest.mark.parametrize(
    ("difference", "expected"),
    [(0.0, 0), (0.9, 0), (-0.9, 0), (1, 1), (-4.9, -1), (5, 2), (14.9, 2), (-15, -3), (90, 3)],
)
def test_the_step_is_of_the_share_of_the_range(difference: float, expected: int) -> None:
    assert step(difference, 100.0) == expected


def test_a_difference_without_a_range_is_measured_against_the_papers_number() -> None:
    held = source("a")
    table = build_table(held.scores, 3, catalog=held.catalog, resamples=50)
    spans = {
        column.column.metric: span(column, cell, held.known)
        for column, cell in zip(table.columns, table.cells[0], strict=True)
        if cell
    }
    assert spans["sparseness"] == 100.0  # percent of 0 to 1
    assert spans["complexity"] == table.cells[0][3].paper  # type: ignore[union-attr]
    assert step(0.0, 0.0) == 0
    assert step(0.1, 0.0) == 3  # of nothing, anything is much


def test_what_the_other_tables_hold_is_shown_too() -> None:
    assert METHODS == ("fakecam", "gradcam", "rise")
    assert [one.key for one in tables(2)] == ["table-2", "table-2-more"]
    assert tables(4) == []  # no scores
