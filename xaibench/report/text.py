"""What all formats share: the text of a cell, headings, groups and families."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby

from xaibench.analysis.columns import Column
from xaibench.analysis.header import Header
from xaibench.analysis.types import Cell, Fill, Row, Table, TableColumn

MISSING = "-"


@dataclass(frozen=True)
class CellText:
    """A cell in words; empty strings where there is nothing to say.

    Attributes:
        mean: "60.3", or "-" where nothing could be averaged.
        interval: "[49.1, 71.0]", with an exclamation mark where a footnote doubts it.
        paper: "66.8", with a star where a footnote doubts the printed number.
        difference: "-6.5".
        flags: what the mean hides, such as "3 const" or "2 left out".
    """

    mean: str
    interval: str = ""
    paper: str = ""
    difference: str = ""
    flags: tuple[str, ...] = ()


def cell_text(cell: Cell | None, column: Column, images: int) -> CellText:
    """Put `cell` into words; `images` is the table's usual n, and only another n is mentioned."""
    if cell is None:
        return CellText("")
    digits = column.digits
    has_interval = cell.low is not None and cell.high is not None
    low, high = number(cell.low, digits), number(cell.high, digits)
    paper = "" if cell.paper is None else number(cell.paper, digits)
    return CellText(
        mean=number(cell.mean, digits),
        interval=f"[{low}, {high}]" + "!" * cell.unsure if has_interval else "",
        paper=paper + "*" * bool(cell.paper_note),
        difference="" if cell.difference is None else signed(cell.difference, digits),
        flags=_flags(cell, images),
    )


def _flags(cell: Cell, images: int) -> tuple[str, ...]:
    left_out = sum(cell.n_left_out.values())
    flags = []
    if cell.n_constant:
        flags.append(f"{cell.n_constant} const")
    if left_out:
        flags.append(f"{left_out} left out")
    if cell.n and cell.n + left_out != images:
        flags.append(f"n {cell.n}")
    if cell.remark:
        flags.append(cell.remark)
    return tuple(flags)


def number(value: float | None, digits: int) -> str:
    """Format `value` with `digits` decimals, never as "-0.0"; "-" for None."""
    if value is None:
        return MISSING
    return f"{round(value, digits) + 0.0:.{digits}f}"


def signed(value: float, digits: int) -> str:
    """Format a difference with its sign; zero has none."""
    rounded = round(value, digits) + 0.0
    return f"{rounded:+.{digits}f}" if rounded else f"{rounded:.{digits}f}"


def title(table: Table) -> str:
    """Return the table's heading: name, subject and number of images."""
    words = table.name if table.name == table.title else f"{table.name}. {table.title}"
    plural = "s" * (table.images != 1)
    return f"{words} ({table.images:,} image{plural})" if table.images else words


def fill_line(fill: Fill) -> str:
    """Say how many cells are missing, before the command that fills them."""
    own = "" if fill.complete else " (add this run's --data, --model, --protocol and --out)"
    verb = "is" if fill.missing == 1 else "are"
    return f"{fill.missing} of the table's {fill.cells} cells {verb} missing. To fill it, run{own}:"


def barred(column: Column) -> str | None:
    """Return what the paper sets under a bar, "AD" where it prints 100 - AD; else None."""
    return column.short if column.paper.endswith("_bar") else None


def column_groups(table: Table) -> list[tuple[str, list[int]]]:
    """Return the headings over the columns, each with the columns' positions."""
    positions = range(len(table.columns))
    return [
        (name, list(members))
        for name, members in groupby(positions, key=lambda i: table.columns[i].group)
    ]


def row_families(table: Table, columns: list[int]) -> list[tuple[str, list[tuple[int, Row]]]]:
    """Return the families and their rows (position, row) that have a cell in `columns`."""
    present = [
        (index, row)
        for index, row in enumerate(table.rows)
        if any(table.cells[index][column] is not None for column in columns)
    ]
    return [
        (name, list(members)) for name, members in groupby(present, key=lambda item: item[1].family)
    ]


def heading(column: TableColumn, up: str = "\u2191", down: str = "\u2193") -> str:
    """Return a column's header with an arrow towards the better values."""
    better = column.column.higher_is_better
    if better is None:
        return column.column.header
    return f"{column.column.header} {up if better else down}"


def header_line(header: Header) -> str:
    """Return the run in one line."""
    plural = "s" * (header.images != 1)
    return (
        f"model {header.model}, dataset {header.dataset}, {header.images:,} image{plural}, "
        f"protocol {header.protocol}"
    )


def legend(tables: list[Table]) -> list[str]:
    """Explain how cells are to be read, as far as `tables` need it."""
    pairs = [(cell, table.images) for table in tables for cell in _cells(table)]
    if not pairs:
        return []
    cells = [cell for cell, _ in pairs]
    flags = " ".join(flag for cell, images in pairs for flag in _flags(cell, images))
    meanings = {
        "Then the paper's printed number and (ours minus the paper's).": any(
            cell.paper is not None for cell in cells
        ),
        "Best of a column bold, second underlined.": any(cell.place for cell in cells),
        "N const: scores of constant maps, in the mean.": "const" in flags,
        "N left out: scores that are not in the mean.": "left out" in flags,
        "n N: images, where it is not the table's number.": re.search(r"\bn \d", flags) is not None,
    }
    first = (
        "Cells: mean [95% interval over images: Wilson's for metrics of 0 and 1, else a bootstrap]."
    )
    return [first, *(text for text, needed in meanings.items() if needed)]


def _cells(table: Table) -> list[Cell]:
    return [cell for line in table.cells for cell in line if cell]
