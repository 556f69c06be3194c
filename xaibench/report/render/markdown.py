"""The report as Markdown (GitHub's dialect)."""

from __future__ import annotations

from xaibench.analysis.header import PAPER, Header
from xaibench.analysis.types import Row, Table
from xaibench.report.text import (
    cell_text,
    column_groups,
    fill_line,
    header_line,
    heading,
    legend,
    row_families,
    title,
)

_MARKS = {0: "{}", 1: "**{}**", 2: "<ins>{}</ins>"}


def to_markdown(header: Header, tables: list[Table]) -> str:
    """Return the whole report as one Markdown page."""
    parts = ["# xaibench report", escape(header_line(header)), f"Paper: {escape(PAPER)}"]
    parts += [f"> **Note.** {escape(note)}" for note in header.notes]
    lines = legend(tables)
    parts += [escape(" ".join(lines))] if lines else []
    for table in tables:
        parts.append(f"## {escape(title(table))}")
        for group, columns in column_groups(table):
            parts += [f"### {escape(group)}"] if group else []
            parts.append(_grid(table, columns))
        parts += ["\n".join(f"- {escape(note)}" for note in table.notes)] if table.notes else []
        if table.fill:
            parts += [escape(fill_line(table.fill)), f"```\n{table.fill.command}\n```"]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Escape what Markdown would read as markup or as the end of a cell."""
    for mark in "\\`*_<>|[]":
        text = text.replace(mark, f"\\{mark}")
    return text


def _grid(table: Table, columns: list[int]) -> str:
    heads = [escape(heading(table.columns[column])) for column in columns]
    lines = [_line(["Family", "Method", *heads]), _line(["---", "---"] + ["---:"] * len(columns))]
    for family, rows in row_families(table, columns):
        for position, (index, row) in enumerate(rows):
            cells = [_cell(table, index, column) for column in columns]
            lines.append(_line(["" if position else family, _method(row), *cells]))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _method(row: Row) -> str:
    if row.label != row.method:
        return escape(row.label)
    return "`" + row.method.replace("|", "\\|").replace("`", "'") + "`"


def _cell(table: Table, row: int, column: int) -> str:
    cell = table.cells[row][column]
    if cell is None:
        return "\u00b7"
    text = cell_text(cell, table.columns[column].column, table.images)
    lines = [f"{_MARKS[cell.place].format(text.mean)} {escape(text.interval)}".strip()]
    if text.paper and text.difference:
        lines.append(escape(f"paper {text.paper} ({text.difference})"))
    lines += text.flags
    return "<br>".join(lines)
