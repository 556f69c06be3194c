"""A page as an HTML fragment: sections with their own style, no script.

The file has no `html` or `body` element: it, or a single `section` of it, can be pasted into a
page. Colours and fonts are the page's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from xaibench.report import document as d
from xaibench.report.text import minus

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
_CLASSES = {"strong": "best", "second": "second"}


def render(page: d.Document) -> str:
    """Return the whole page as one fragment of HTML."""
    own = any(section.legend for section in page.sections)
    blocks = [*map(d.Paragraph, page.opening), *page.blocks]
    blocks += [d.Paragraph(page.legend)] if page.legend and not own else []
    lines = [line for block in blocks for line in _block(block, "")]
    head = "\n".join(["<header>", *lines, "</header>"])
    return "\n".join([head, *map(_section, page.sections)]) + "\n"


def _section(section: d.Section) -> str:
    key = f' id="xaibench-{escape(section.key)}"' if section.key else ""
    parts = [f'<section class="xaibench"{key}>', _STYLE]
    if section.title and not any(isinstance(block, d.Grid) for block in section.blocks):
        parts.append(f"<p><b>{escape(section.title)}</b></p>")
    parts += [f"<blockquote>{escape(section.quote)}</blockquote>"] if section.quote else []
    for block in section.blocks:
        parts += _block(block, section.title)
        if isinstance(block, d.Grid) and section.legend:
            parts.append(f"<p>{escape(section.legend)}</p>")
    return "\n".join([*parts, "</section>"])


def _block(block: d.Block, title: str) -> list[str]:
    match block:
        case d.Paragraph():
            return [f"<p>{escape(f'{block.label}: ' * bool(block.label) + block.text)}</p>"]
        case d.Bullets():
            return _items(block.items)
        case d.Command():
            return [f"<pre><code>{escape(block.text)}</code></pre>"]
        case d.Figure():
            where, said = escape(block.file), escape(block.text)
            return [f'<img src="{where}" alt="{said}" style="max-width: 100%; height: auto" />']
        case d.Verdict():
            said = f"<b>{escape(block.reads)}.</b> Rule: {escape(block.rule)}"
            return [f"<p>{said}</p>", *_items(block.findings)]
    return _grid(block, title)


def _items(items: Sequence[d.Paragraph]) -> list[str]:
    labels = [f"<b>{escape(item.label)}</b>: " if item.label else "" for item in items]
    texts = [escape(item.text) for item in items]
    lines = [f"<li>{label}{text}</li>" for label, text in zip(labels, texts, strict=True)]
    return ["<ul>", *lines, "</ul>"]


def _grid(grid: d.Grid, title: str) -> list[str]:
    groups = grid.groups()
    spans = "".join(f'<colgroup span="{len(columns)}"></colgroup>' for _, columns in groups)
    lines = ['<div class="scroll">', "<table>"]
    lines += [f"<caption>{escape(title)}</caption>"] if title else []
    lines += [f"<colgroup></colgroup>{spans}", "<thead>"]
    if any(name for name, _ in groups):
        cells = "".join(
            f'<th scope="colgroup" colspan="{len(columns)}">{escape(name)}</th>'
            for name, columns in groups
        )
        lines.append(f"<tr><td></td>{cells}</tr>")
    corner = f'<th scope="col" class="corner">{escape(grid.corner[-1])}</th>'
    lines += [f"<tr>{corner}{''.join(map(_heading, grid.columns))}</tr>", "</thead>"]
    width = len(grid.columns) + 1
    for family, rows in grid.families(range(len(grid.columns))):
        lines.append("<tbody>")
        if family:
            lines.append(f'<tr><th scope="rowgroup" colspan="{width}">{escape(family)}</th></tr>')
        for row in rows:
            cells = "".join(map(_cell, grid.cells[row]))
            lines.append(f'<tr><th scope="row">{_label(grid.rows[row])}</th>{cells}</tr>')
        lines.append("</tbody>")
    return [*lines, "</table>", "</div>"]


def _heading(column: d.Column) -> str:
    text = f'<span class="bar">{escape(column.bar)}</span>%' if column.bar else escape(column.head)
    words = [column.head] * bool(column.bar)
    arrow = ""
    if column.better is not None:
        arrow = f" {_ARROWS[column.better][0]}"
        words.append(_ARROWS[column.better][1])
    hint = f' title="{escape(", ".join(words))}"' if words else ""
    return f'<th scope="col"{hint}>{text}{arrow}</th>'


def _label(row: d.Row) -> str:
    label = f"<code>{escape(row.label)}</code>" if row.code else escape(row.label)
    return label + (f"<small>{escape(row.detail)}</small>" if row.detail else "")


def _cell(cell: d.Cell | None) -> str:
    """One cell, its lines below each other."""
    if cell is None:
        return '<td class="missing" title="not scored">\u00b7</td>'
    name = _CLASSES.get(cell.tone)
    mark = f' class="{name}"' if name else ""
    hint = f' title="{escape(cell.hint)}"' if cell.hint else ""
    text = f"<b>{_minus(cell.text)}</b>" if name else _minus(cell.text)
    lines = [_minus(cell.interval), _minus(f"paper {cell.paper}" * bool(cell.paper))]
    lines += map(escape, cell.flags)
    small = "".join(f"<small>{line}</small>" for line in lines if line)
    return f"<td{mark}{hint}>{text}{small}</td>"


def _minus(text: str) -> str:
    return minus(escape(text))
