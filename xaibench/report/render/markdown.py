"""A page as Markdown (GitHub's dialect)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from xaibench.report import document as d

_MARKUP = re.compile(
    r"[\\`*_<>|\[\]~$]"
    r"|&(?=#?\w+;)"  # an entity
    r"|:(?=//)|(?<=www)\."  # a bare address, which would be a link
)
_TONES = {"strong": "**{}**", "second": "<ins>{}</ins>"}


def render(page: d.Document) -> str:
    """Return the whole page."""
    parts = [f"# {escape(page.title)}", *map(_prose, page.lead)]
    parts += [part for block in page.blocks for part in _block(block)]
    parts += [_prose(page.legend)] if page.legend else []
    parts += [part for section in page.sections for part in _section(section)]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Escape what Markdown would read as markup or as the end of a cell."""
    return _MARKUP.sub(r"\\\g<0>", text)


def _prose(text: str) -> str:
    """The same of what begins a line, where a mark makes a heading or a list."""
    return re.sub(r"^\s*(?:\d+(?=[.)])|(?=[#+=-]))", r"\g<0>\\", escape(text))


def _section(section: d.Section) -> list[str]:
    parts = [f"## {escape(section.title)}"] if section.title else []
    parts += [f"> {_prose(section.quote)}"] if section.quote else []
    return parts + [part for block in section.blocks for part in _block(block)]


def _block(block: d.Block) -> list[str]:
    match block:
        case d.Paragraph():
            if block.label:
                return [f"> **{escape(block.label)}.** {escape(block.text)}"]
            return [_prose(block.text)]
        case d.Bullets():
            return ["\n".join(map(_item, block.items))]
        case d.Command():
            fence = "```"
            while fence in block.text:
                fence += "`"
            return [f"{fence}\n{block.text}\n{fence}"]
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
    if item.label:
        return f"- **{escape(item.label)}**: {escape(item.text)}"
    return f"- {_prose(item.text)}"


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
