"""The paper's tables, with its numbers beside ours; and the section on ties."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from xaibench.analysis import types
from xaibench.analysis.columns import TIES
from xaibench.analysis.header import PAPER, Header
from xaibench.analysis.stats import comparable
from xaibench.report import document as d
from xaibench.report.text import barred, count, header_line, interval, number, signed

FIELDS = (
    "table method target transform metric mean low high unsure n n_constant n_left_out paper "
    "difference remark"
).split()
TABLE = ("table", "title", "images", "notes", "missing", "fill", "cells")
INTERVAL = (
    "95%, over images: Wilson's where a metric is 0 or 1, else a bootstrap with widened percentiles"
)
ANYTIME = "; where the remark says until, a confidence sequence, which holds whenever one looks"
_PLACES: tuple[d.Tone, ...] = ("", "strong", "second")


def page(header: Header, tables: Sequence[types.Table], paper: bool = True) -> d.Document:
    """Return the page of a run's tables; paper: whether its numbers stand beside ours."""
    content = {
        "run": asdict(header),
        "paper": PAPER if paper else None,
        "interval": INTERVAL + ANYTIME * _stopped(tables),
        "tables": [
            d.record(
                TABLE,
                vars(table),
                table=table.number,
                missing=table.fill.missing if table.fill else 0,
                fill=table.fill.command if table.fill else None,
                cells=records(table),
            )
            for table in tables
        ],
    }
    notes = [d.Paragraph(note, "warn", "Note") for note in header.notes]
    return d.Document(
        name="tables",
        formats=("md", "csv", "json", "tex", "html"),
        title="xaibench report",
        lead=(header_line(header),),
        blocks=(*[d.Paragraph(f"Paper: {PAPER}", "dim")] * paper, *notes),
        legend=legend(tables),
        sections=[_section(table, tables[:i]) for i, table in enumerate(tables)],
        fields=FIELDS,
        records=[record for table in tables for record in records(table)],
        content=content,
    )


def records(table: types.Table) -> list[dict[str, Any]]:
    """Return one record a cell that has scores, with the keys `FIELDS`.

    `metric` is the paper's key, which names the units (`average_drop_bar` is 100 - AD%), so that
    records join with `published/zhang2024_tables.csv`; table 0 is what the paper has no column for,
    in natural units. `n_left_out` is a dictionary by status.
    """
    return [
        d.record(
            FIELDS,
            vars(column),
            vars(cell),
            table=table.number,
            method=row.method,
            metric=column.column.paper,
        )
        for row, line in zip(table.rows, table.cells, strict=True)
        for column, cell in zip(table.columns, line, strict=True)
        if cell is not None
    ]


def _section(table: types.Table, before: Sequence[types.Table]) -> d.Section:
    blocks: list[d.Block] = [_grid(table, before)] if table.rows else []
    if table.notes:
        blocks.append(d.Bullets(d.small_print(table.notes)))
    if table.fill:
        blocks += [d.Paragraph(fill_line(table.fill), "dim"), d.Command(table.fill.command)]
    key = "ties" if table.number == TIES else f"table-{table.number}"
    return d.Section(_title(table), blocks, legend=legend([table]), key=key)


def _title(table: types.Table) -> str:
    """Return the table's heading: name, subject and number of images."""
    words = table.name if table.name == table.title else f"{table.name}. {table.title}"
    return f"{words} ({count(table.images, 'image')})" if table.images else words


def fill_line(fill: types.Fill) -> str:
    """Say how many cells are missing, before the command that fills them."""
    own = "" if fill.complete else " (add this run's --data, --model, --protocol and --out)"
    verb = "is" if fill.missing == 1 else "are"
    if fill.failed:
        own += f", which leaves what failed here ({', '.join(fill.failed)}) alone"
    return f"{fill.missing} of the table's {fill.cells} cells {verb} missing. To fill it, run{own}:"


def _grid(table: types.Table, before: Sequence[types.Table]) -> d.Grid:
    columns = [
        d.Column(
            c.column.header,
            c.group,
            c.column.higher_is_better,
            barred(c.column),
            again=_again(c, table, before),
        )
        for c in table.columns
    ]
    rows = [
        d.Row(row.label, "", row.family, row.family.removesuffix(" based"), row.label == row.method)
        for row in table.rows
    ]
    digits = [c.column.digits for c in table.columns]
    cells = [
        [cell_words(c, n, table.images) if c else None for c, n in zip(line, digits, strict=True)]
        for line in table.cells
    ]
    return d.Grid(("Family", "Method"), columns, rows, cells)


def _again(column: types.TableColumn, table: types.Table, before: Sequence[types.Table]) -> str:
    """The name of an earlier table that has a column with all of its rows."""
    of = column.target, column.transform, column.column
    for other in before:
        held = [(c.target, c.transform, c.column) for c in other.columns]
        if of in held and {r.method for r in table.rows} <= {r.method for r in other.rows}:
            return other.name
    return ""


def cell_words(cell: types.Cell, digits: int, images: int) -> d.Cell:
    """Put `cell` into words; `images` is the table's usual n, and only another n is mentioned.

    A star stands after the paper's number where a footnote doubts it.
    """
    paper = ""
    if cell.paper is not None and cell.difference is not None:
        paper = number(cell.paper, digits) + "*" * bool(cell.paper_note)
        paper += f" ({signed(cell.difference, digits)})"
    left_out = ", ".join(f"{n:,} {why}" for why, n in cell.n_left_out.items()) or "0"
    return d.Cell(
        text=number(cell.mean, digits),
        interval=interval(cell.low, cell.high, digits, cell.unsure),
        paper=paper,
        flags=_flags(cell, images),
        tone=_PLACES[cell.place],
        hint=f"n {cell.n:,} images, {cell.n_constant:,} constant, {left_out} left out",
    )


def _flags(cell: types.Cell, images: int) -> tuple[str, ...]:
    left_out = sum(cell.n_left_out.values())
    flags = {
        f"{cell.n_constant} const": cell.n_constant,
        f"{left_out} left out": left_out,
        f"n {cell.n}": cell.n and (cell.points is not None or cell.n + left_out != images),
        cell.remark: cell.remark,
    }
    return tuple(flag for flag, holds in flags.items() if holds)


def _few(table: types.Table) -> bool:
    """Whether a cell is on too few of its column's images to have a place."""
    counts = [
        [cell.n for cell in column if cell and cell.n] for column in zip(*table.cells, strict=True)
    ]
    return not all(all(comparable(column)) for column in counts)


def _stopped(tables: Sequence[types.Table]) -> bool:
    """Whether any cell was to stop when sure."""
    cells = (cell for table in tables for line in table.cells for cell in line if cell)
    return any(cell.points is not None for cell in cells)


def legend(tables: Sequence[types.Table]) -> str:
    """Explain how cells are to be read, as far as `tables` need it."""
    pairs = [(c, table.images) for table in tables for line in table.cells for c in line if c]
    if not pairs:
        return ""
    flags = " ".join(flag for cell, images in pairs for flag in _flags(cell, images))
    meanings = {
        "Cells: mean [95% interval over images: Wilson's for metrics of 0 and 1, else a "
        "bootstrap].": True,
        "Then the paper's printed number and (ours minus the paper's).": any(
            cell.paper is not None for cell, _ in pairs
        ),
        "Best of a column bold, second underlined.": any(cell.place for cell, _ in pairs),
        "Neither on fewer than half of its images.": any(cell.place for cell, _ in pairs)
        and any(map(_few, tables)),
        "N const: scores of constant maps, in the mean.": "const" in flags,
        "N left out: scores that are not in the mean.": "left out" in flags,
        "n N: images, where it is not the table's number.": re.search(r"\bn \d", flags) is not None,
        "until N: stopped when sure, see below.": _stopped(tables),
    }
    return " ".join(text for text, needed in meanings.items() if needed)
