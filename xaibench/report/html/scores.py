"""A table of the paper as the page has it: how large a difference is, what its hint says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xaibench.analysis import types
from xaibench.analysis.footnotes import UNSURE
from xaibench.config.catalog import Catalog
from xaibench.published.tables import METHODS, TABLES
from xaibench.report import document as d
from xaibench.report.pages.tables import cell_words, fill_line
from xaibench.report.text import barred, count, number, signed

STEPS = (0.01, 0.05, 0.15)
"""Shares of a metric's range from which on a difference has the next stronger colour."""


@dataclass(frozen=True)
class Scored:
    """A cell: its words, what sorts it, the paper's number, and the difference with its step.

    `step` is -3 to 3: how far below or above the paper's number, 0 within a hundredth.
    """

    words: d.Cell
    value: float | None
    paper: str = ""
    difference: str = ""
    step: int = 0


@dataclass(frozen=True)
class Shown:
    """A table: its grid (for heads, families and labels) and its cells; what stands below it."""

    key: str
    title: str
    grid: d.Grid
    cells: Sequence[Sequence[Scored | None]]
    notes: Sequence[str] = ()
    fill: str = ""
    command: str = ""


def shown(table: types.Table, catalog: Catalog, paper: bool = True) -> Iterator[Shown]:
    """A table with the paper's methods, and one of others where there are any.

    paper: whether the paper's numbers stand beside ours.
    """
    if not table.rows:
        return
    known = [row.method in METHODS for row in table.rows]
    split = table.number in TABLES and len(set(known)) == 2
    title = table.name if table.name == table.title else f"{table.name}. {table.title}"
    title += f" ({count(table.images, 'image')})" if table.images else ""
    key = f"table-{table.number}" if table.number >= 0 else "ties"
    yield _shown(table, key, title, [not split or k for k in known], catalog, paper)
    if split:
        more = f"{table.name}: methods that the paper does not have"
        part = _shown(table, f"{key}-more", more, [not k for k in known], catalog, paper)
        yield replace(part, notes=[], fill="", command="")


def _shown(
    table: types.Table, key: str, title: str, kept: list[bool], catalog: Catalog, paper: bool
) -> Shown:
    columns = [
        d.Column(c.column.header, c.group, c.column.higher_is_better, barred(c.column))
        for c in table.columns
    ]
    lines = [i for i, keep in enumerate(kept) if keep]
    labels = [d.Row(table.rows[i].label, "", table.rows[i].family) for i in lines]
    cells = [
        [_scored(table, i, j, catalog, paper) for j in range(len(table.columns))] for i in lines
    ]
    words = [[one.words if one else None for one in line] for line in cells]
    fill = table.fill
    return Shown(
        key,
        title,
        d.Grid(("Family", "Method"), columns, labels, words),
        cells,
        [note for note in table.notes if note != UNSURE],
        fill_line(fill) if fill else "",
        fill.command if fill else "",
    )


def _scored(
    table: types.Table, row: int, place: int, catalog: Catalog, paper: bool
) -> Scored | None:
    cell, column = table.cells[row][place], table.columns[place].column
    if cell is None:
        return None
    words = cell_words(cell, column.digits, table.images)
    named = [table.rows[row].label, column.header, table.columns[place].group]
    hint = f"{', '.join(filter(None, named))}: {words.hint}."
    hint += " The interval is doubted: few images, or few that differ." * cell.unsure
    hint += f" {cell.remark}." * bool(cell.remark)
    if not paper or cell.paper is None or cell.difference is None:
        return Scored(replace(words, hint=hint, paper=""), cell.mean)
    hint += f" Paper: {number(cell.paper, column.digits)}"
    hint += f" ({cell.paper_note.replace('_', ' ')})." if cell.paper_note else "."
    return Scored(
        replace(words, hint=hint),
        cell.mean,
        number(cell.paper, column.digits) + "*" * bool(cell.paper_note),
        signed(cell.difference, column.digits),
        step(cell.difference, span(table.columns[place], cell, catalog)),
    )


def span(column: types.TableColumn, cell: types.Cell, catalog: Catalog) -> float:
    """What a difference is large or small against: the metric's range, else the paper's number."""
    bounds = catalog.metric(column.column.metric).bounds
    if bounds:
        return abs(column.column.scale) * (bounds[1] - bounds[0])
    return abs(cell.paper or 0.0)


def step(difference: float, against: float) -> int:
    """How strong the colour of a difference is: 0 to 3, negative below the paper's number."""
    share = abs(difference) / against if against else float(difference != 0)
    size = sum(share >= least for least in STEPS)
    return size if difference > 0 else -size


def legend(tables: Sequence[Shown]) -> dict[str, Any]:
    """What of the legend is needed: the paper's number, places, and what a mark is, said once."""
    cells = [c for table in tables for line in table.cells for c in line if c]
    return {
        "paper": any(c.difference for c in cells),
        "places": any(c.words.tone for c in cells),
        "doubted": UNSURE if any(c.words.interval.endswith("!") for c in cells) else "",
        "steps": [f"{100 * least:g}%" for least in STEPS],
    }
