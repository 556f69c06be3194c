"""A page as Markdown (GitHub's dialect)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from xaibench.report import document as d

_TONES = {"strong": "**{}**", "second": "<ins>{}</ins>"}


def render(page: d.Document) -> str:
    """Return the whole page."""
    parts = [f"# {escape(page.title)}", *map(escape, page.lead)]
    parts += [part for block in page.blocks for part in _block(block)]
    parts += [escape(page.legend)] if page.legend else []
    parts += [part for section in page.sections for part in _section(section)]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Escape what Markdown would read as markup or as the end of a cell."""
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", text)


def _section(section: d.Section) -> list[str]:
    parts = [f"## {escape(section.title)}"] if section.title else []
    parts += [f"> {escape(section.quote)}"] if section.quote else []
    return parts + [part for block in section.blocks for part in _block(block)]


def _block(block: d.Block) -> list[str]:
    match block:
        case d.Paragraph():
            text = escape(block.text)
            return [f"> **{escape(block.label)}.** {text}" if block.label else text]
        case d.Bullets():
            return ["\n".join(map(_item, block.items))]
        case d.Command():
            return [f"```\n{block.text}\n```"]
        case d.Figure():
            return [f"![{escape(block.text)}]({block.file})"]
        case d.Verdict():
            said = f"**{escape(block.reads)}.** Rule: {escape(block.rule)}"
            return [said, "\n".join(map(_item, block.findings))]
    parts = []
    for group, columns in block.groups():
        parts += [f"### {escape(group)}"] if group else []
        parts.append(_grid(block, columns))
    return parts


def _item(item: d.Paragraph) -> str:
    label = f"**{escape(item.label)}**: " if item.label else ""
    return f"- {label}{escape(item.text)}"


def _grid(grid: d.Grid, columns: list[int]) -> str:
    heads = [grid.columns[column] for column in columns]
    lines = [_line([*map(escape, grid.corner), *(escape(head.heading()) for head in heads)])]
    rule = ["---"] * len(grid.corner) + ["---" if head.left else "---:" for head in heads]
    lines.append(_line(rule))
    for family, rows in grid.families(columns):
        for i, row in enumerate(rows):
            above = [] if len(grid.corner) == 1 else ["" if i else escape(family)]
            cells = [_cell(grid.cells[row][column]) for column in columns]
            lines.append(_line([*above, _label(grid.rows[row]), *cells]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _label(row: d.Row) -> str:
    if row.code:
        return "`" + row.label.replace("|", "\\|").replace("`", "'") + "`"
    return "<br>".join(escape(text) for text in (row.label, row.detail) if text)


def _cell(cell: d.Cell | None) -> str:
    if cell is None:
        return "\u00b7"
    text = _TONES.get(cell.tone, "{}").format(escape(cell.text))
    lines = [f"{text} {escape(cell.interval)}".strip()]
    lines += [escape(f"paper {cell.paper}")] if cell.paper else []
    return "<br>".join([*lines, *map(escape, cell.flags)])
