"""The report as an HTML fragment: one section a table, each with its own style, no script.

`tables.html` has no `html` or `body` element: it, or a single `section` of it, can be pasted into
a page. Colours and fonts are the page's own.
"""

from __future__ import annotations

from html import escape

from xaibench.analysis.columns import TIES
from xaibench.analysis.header import PAPER, Header
from xaibench.analysis.types import Cell, Row, Table, TableColumn
from xaibench.report.text import (
    barred,
    cell_text,
    column_groups,
    fill_line,
    header_line,
    legend,
    row_families,
    title,
)

_STYLE = """<style>
.xaibench { margin-block: 2em; line-height: 1.25 }
.xaibench .scroll { overflow-x: auto }
.xaibench table { border-collapse: collapse; border-block: 2px solid; margin-block: .5em }
.xaibench caption { text-align: start; font-weight: bold; padding-block: .4em }
.xaibench :is(td, th) { padding: .2em .7em; text-align: end; vertical-align: top }
.xaibench td, .xaibench thead th { white-space: nowrap }
.xaibench :is(th[scope=row], th[scope=rowgroup], .corner) { text-align: start; font-weight: normal }
.xaibench th[scope=rowgroup] { font-style: italic; border-block-start: 1px solid }
.xaibench th[scope=colgroup] { text-align: center; border-block-end: 1px solid }
.xaibench small { display: block; opacity: .75 }
.xaibench .second > b { font-weight: normal; text-decoration: underline }
.xaibench .bar { text-decoration: overline }
.xaibench pre { white-space: pre-wrap; border-inline-start: 3px solid; padding-inline: .7em }
</style>"""
_ARROWS = {True: ("\u2191", "higher is better"), False: ("\u2193", "lower is better")}
_PLACES = {0: "", 1: "best", 2: "second"}


def to_html(header: Header, tables: list[Table]) -> str:
    """Return the whole report as one fragment of HTML."""
    lines = [_paragraph(header_line(header)), _paragraph(f"Paper: {PAPER}.")]
    lines += [_paragraph(f"Note: {note}") for note in header.notes]
    head = "\n".join(["<header>", *lines, "</header>"])
    return "\n".join([head, *(_section(table) for table in tables)]) + "\n"


def _section(table: Table) -> str:
    parts = [f'<section class="xaibench" id="xaibench-{_slug(table)}">', _STYLE]
    parts += [_grid(table)] if table.rows else [_paragraph(title(table))]
    parts += [_paragraph(" ".join(legend([table])))] if table.rows else []
    if table.notes:
        parts += ["<ul>", *(f"<li>{escape(note)}</li>" for note in table.notes), "</ul>"]
    if table.fill:
        command = f"<pre><code>{escape(table.fill.command)}</code></pre>"
        parts += [_paragraph(fill_line(table.fill)), command]
    return "\n".join([*parts, "</section>"])


def _slug(table: Table) -> str:
    return "ties" if table.number == TIES else f"table-{table.number}"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _grid(table: Table) -> str:
    groups = column_groups(table)
    spans = "".join(f'<colgroup span="{len(columns)}"></colgroup>' for _, columns in groups)
    lines = ['<div class="scroll">', "<table>", f"<caption>{escape(title(table))}</caption>"]
    lines += [f"<colgroup></colgroup>{spans}", "<thead>", *_head(table, groups), "</thead>"]
    width = len(table.columns) + 1
    for family, rows in row_families(table, list(range(len(table.columns)))):
        lines.append("<tbody>")
        lines.append(f'<tr><th scope="rowgroup" colspan="{width}">{escape(family)}</th></tr>')
        lines += [_row(table, index, row) for index, row in rows]
        lines.append("</tbody>")
    return "\n".join([*lines, "</table>", "</div>"])


def _head(table: Table, groups: list[tuple[str, list[int]]]) -> list[str]:
    lines = []
    corner = '<th scope="col" class="corner">Method</th>'
    if any(name for name, _ in groups):
        cells = "".join(
            f'<th scope="colgroup" colspan="{len(columns)}">{escape(name)}</th>'
            for name, columns in groups
        )
        lines.append(f"<tr><td></td>{cells}</tr>")
    heads = "".join(_heading(column) for column in table.columns)
    return [*lines, f"<tr>{corner}{heads}</tr>"]


def _heading(column: TableColumn) -> str:
    short = barred(column.column)
    text = f'<span class="bar">{escape(short)}</span>%' if short else escape(column.column.header)
    better = column.column.higher_is_better
    words = [column.column.header] * bool(short)
    arrow = ""
    if better is not None:
        arrow = f" {_ARROWS[better][0]}"
        words.append(_ARROWS[better][1])
    hint = f' title="{escape(", ".join(words))}"' if words else ""
    return f'<th scope="col"{hint}>{text}{arrow}</th>'


def _row(table: Table, index: int, row: Row) -> str:
    label = escape(row.label) if row.label != row.method else f"<code>{escape(row.label)}</code>"
    cells = zip(table.cells[index], table.columns, strict=True)
    inside = "".join(_cell(cell, column, table.images) for cell, column in cells)
    return f'<tr><th scope="row">{label}</th>{inside}</tr>'


def _cell(cell: Cell | None, column: TableColumn, images: int) -> str:
    """One cell: mean, interval, the paper, what the mean hides; all counts in its tooltip."""
    if cell is None:
        return '<td class="missing" title="not scored">\u00b7</td>'
    text = cell_text(cell, column.column, images)
    mark = f' class="{_PLACES[cell.place]}"' if cell.place else ""
    mean = f"<b>{_minus(text.mean)}</b>" if cell.place else _minus(text.mean)
    lines = [_minus(text.interval)] if text.interval else []
    if text.paper and text.difference:
        lines.append(f"paper {_minus(text.paper)} ({_minus(text.difference)})")
    small = "".join(f"<small>{escape(line)}</small>" for line in [*lines, *text.flags])
    return f'<td{mark} title="{escape(_counts(cell))}">{mean}{small}</td>'


def _counts(cell: Cell) -> str:
    left_out = ", ".join(f"{count:,} {why}" for why, count in cell.n_left_out.items()) or "0"
    return f"n {cell.n:,} images, {cell.n_constant:,} constant, {left_out} left out"


def _minus(number: str) -> str:
    """Set a minus sign, not a hyphen; the lone dash of a missing value stays."""
    return number if number == "-" else number.replace("-", "\u2212")
