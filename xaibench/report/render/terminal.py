"""The report on a terminal: as many columns beside each other as its width takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from xaibench.analysis.header import PAPER, Header
from xaibench.analysis.types import Table
from xaibench.report.text import (
    CellText,
    cell_text,
    column_groups,
    fill_line,
    header_line,
    heading,
    legend,
    row_families,
    title,
)

_GAP = "."  # nothing was scored; "-" is a cell without a mean
_LABEL = 24  # longest label that is not folded

_STYLES = {0: "", 1: "bold", 2: "underline"}
Lines = list[tuple[str, str]]  # the lines of one cell: (text, rich style)
Layout = Callable[[CellText, int], Lines]


@dataclass(frozen=True)
class _Fit:
    """How columns are printed: the layout of a cell, blanks between columns, columns in parts."""

    layout: Layout
    gap: int
    parts: list[list[int]]


def print_report(console: Console, header: Header, tables: list[Table]) -> None:
    """Print the header, how to read a cell, and every table with its notes."""
    console.print(Text(header_line(header), style="bold"))
    console.print(Text(f"Paper: {PAPER}", style="dim"))
    for note in header.notes:
        console.print(Text(f"Note: {note}", style="yellow"))
    lines = legend(tables)
    if lines:
        console.print(Text(" ".join(lines), style="dim"))
    for table in tables:
        console.print()
        _print_table(console, table)


def _print_table(console: Console, table: Table) -> None:
    console.print(Text(title(table), style="bold"))
    for group, columns in column_groups(table):
        if group:
            console.print()
            console.print(Text(group, style="italic"))
        fit = _fit(table, columns, console.width)
        for index, part in enumerate(fit.parts):
            if index:
                console.print()
            console.print(_grid(table, part, fit, _arrows(console)))
    for note in table.notes:
        console.print(Text(note, style="dim"))
    if table.fill:
        console.print(Text(fill_line(table.fill), style="dim"))
        # A command to copy: the terminal may wrap it, we do not.
        console.print(Text(table.fill.command), soft_wrap=True)


def _beside(text: CellText, place: int) -> Lines:
    """Two lines: `60.3 [49.1, 71.0]`, and the paper below."""
    first = f"{text.mean} {text.interval}".strip()
    paper = f"paper {text.paper} ({text.difference})" if text.paper and text.difference else ""
    return [(first, _STYLES[place]), (paper, "dim"), *((flag, "yellow") for flag in text.flags)]


def _below(text: CellText, place: int) -> Lines:
    """Three short lines: mean, interval, and the paper."""
    paper = f"{text.paper} ({text.difference})" if text.paper and text.difference else ""
    flags = ((flag, "yellow") for flag in text.flags)
    return [(text.mean, _STYLES[place]), (text.interval, ""), (paper, "dim"), *flags]


def _lines(table: Table, row: int, column: int, layout: Layout) -> Lines:
    cell = table.cells[row][column]
    if cell is None:
        return [(_GAP, "dim")]
    text = cell_text(cell, table.columns[column].column, table.images)
    return [line for line in layout(text, cell.place) if line[0]]


def _fit(table: Table, columns: list[int], width: int) -> _Fit:
    """Choose the most readable layout whose columns fit, or else cut them into even parts."""
    room = width - _label_width(table)
    for layout, gap in ((_beside, 2), (_below, 2), (_below, 1)):
        if sum(_widths(table, columns, layout)) + gap * len(columns) <= room:
            return _Fit(layout, gap, [columns])
    for count in range(2, len(columns) + 1):
        size = -(-len(columns) // count)
        parts = [columns[start : start + size] for start in range(0, len(columns), size)]
        if all(sum(_widths(table, part, _below)) + 2 * len(part) <= room for part in parts):
            break
    return _Fit(_below, 2, parts if len(columns) > 1 else [columns])


def _label_width(table: Table) -> int:
    names = [_indent(row.label) for row in table.rows] + [_short(row.family) for row in table.rows]
    return min(_LABEL, max(map(len, names)))


def _indent(label: str) -> str:
    return f" {label}"  # a family and a method are both called Gradient


def _short(family: str) -> str:
    return family.removesuffix(" based")


def _arrows(console: Console) -> tuple[str, str]:
    return ("\u2191", "\u2193") if console.encoding.startswith("utf") else ("(+)", "(-)")


def _widths(table: Table, columns: list[int], layout: Layout) -> list[int]:
    widths = []
    for column in columns:
        cells = [_lines(table, row, column, layout) for row in range(len(table.rows))]
        texts = [text for lines in cells for text, _ in lines]
        # A header may break between its words, a number may not.
        texts += heading(table.columns[column], "(+)", "(-)").split(" ")
        widths.append(max(map(len, texts)))
    return widths


def _grid(table: Table, columns: list[int], fit: _Fit, arrows: tuple[str, str]) -> Grid:
    grid = Grid(
        box=box.SIMPLE_HEAD, padding=(0, 0, 0, fit.gap - 1), pad_edge=False, show_edge=False
    )
    grid.add_column("", width=_label_width(table), overflow="fold")
    for column in columns:
        head = Text(heading(table.columns[column], *arrows))
        grid.add_column(head, justify="right", overflow="fold")
    for family, rows in row_families(table, columns):
        grid.add_row(Text(_short(family), style="italic dim"))
        for index, row in rows:
            cells = [_lines(table, index, column, fit.layout) for column in columns]
            grid.add_row(Text(_indent(row.label)), *(_text(lines) for lines in cells))
    return grid


def _text(lines: Lines) -> Text:
    return Text("\n").join(Text(text, style=style) for text, style in lines)
