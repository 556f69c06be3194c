"""A page on a terminal: as many columns beside each other as its width takes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from xaibench.report import document as d

_GAP = "."  # nothing was measured; "-" is a cell without a number
_STYLES = {"": "", "strong": "bold", "second": "underline", "dim": "dim"}
_STYLES |= {"warn": "yellow", "good": "green", "bad": "red"}
_INDENT = (0, 0, 0, 3)
Lines = list[tuple[str, str]]  # the lines of one cell: (text, rich style)


def show(console: Console, page: d.Document) -> None:
    """Print the whole page."""
    for line in page.opening:
        console.print(Text(line, style="bold"))
    for block in page.blocks:
        _block(console, block)
    if page.legend:
        console.print(Text(page.legend, style="dim"))
    for section in page.sections:
        console.print()
        _section(console, section)


def _section(console: Console, section: d.Section) -> None:
    if section.quote:
        console.print(Text(f'{section.title}: "{section.quote}"'))
    elif section.title:
        console.print(Text(section.title, style="bold"))
    for block in section.blocks:
        _block(console, block)


def _block(console: Console, block: d.Block) -> None:
    match block:
        case d.Paragraph():
            text = f"{block.label}: {block.text}" if block.label else block.text
            console.print(Text(text, style=_STYLES[block.tone]))
        case d.Bullets():
            for item in block.items:
                console.print(Padding(_item(item), _INDENT) if item.label else _item(item))
        case d.Command():
            for line in shell_lines(block.text, console.width):
                console.print(Text(line), soft_wrap=True)
        case d.Verdict():
            lines = [Text(block.reads, style="bold"), Text(f"Rule: {block.rule}", style="dim")]
            console.print(Padding(Group(*lines, *map(_item, block.findings)), _INDENT))
        case d.Grid():
            for part in _grids(console, block):
                console.print(part)
        case d.Figure():
            pass


def shell_lines(command: str, width: int) -> list[str]:
    """A command in lines that a shell joins again: a backslash ends each but the last.

    A word that is longer than a line is cut, at commas where it has any: what is quoted in parts is
    one word, and its later lines begin at the margin.
    """
    if cell_len(command) <= width:
        return [command]
    lines, room = [""], width - 4  # two blanks before a line, one and a backslash after it
    for unit in _units(command):
        whole = " ".join(map(shlex.quote, unit))
        for pieces in [[whole]] if cell_len(whole) <= room else [_pieces(w, room) for w in unit]:
            longer = f"{lines[-1]} {pieces[0]}" if lines[-1] else pieces[0]
            if lines[-1] and cell_len(longer) + 2 > width:
                lines[-1] += " \\"
                longer = f"  {pieces[0]}"
                lines.append("")
            lines[-1] = longer
            for piece in pieces[1:]:
                lines[-1] += "\\"
                lines.append(piece)
    return lines


def _units(command: str) -> list[list[str]]:
    """The words of a command, an option with its value."""
    units: list[list[str]] = []
    for word in shlex.split(command):
        alone = not units or word.startswith("--") or len(units[-1]) > 1
        if alone or not units[-1][0].startswith("--"):
            units.append([word])
        else:
            units[-1].append(word)
    return units


def _pieces(word: str, room: int) -> list[str]:
    """A word in quoted pieces that each fit."""
    pieces, rest = [], word
    while cell_len(shlex.quote(rest)) > room:
        size = len(rest)
        while cell_len(shlex.quote(rest[:size])) > room:
            size -= 1
        size = rest.rfind(",", 0, size) + 1 or size
        pieces.append(shlex.quote(rest[:size]))
        rest = rest[size:]
    return [*pieces, shlex.quote(rest)]


def _item(item: d.Paragraph) -> Text:
    if not item.label:
        return Text(item.text, style=_STYLES[item.tone])
    return Text(f"{item.label}: ", style=_STYLES[item.tone]).append(item.text, style="default")


def _grids(console: Console, grid: d.Grid) -> Iterator[Text | Table]:
    """The grid in as many tables as it has groups and the width asks for."""
    for group, columns in grid.groups():
        if group:
            yield Text("")
            yield Text(group, style="italic")
        again = {grid.columns[column].again for column in columns}
        if len(again) == 1 and (before := again.pop()):
            yield Text(f"as in {before} above", style="dim")
            continue
        beside, gap, parts = _fit(grid, columns, console.width)
        for index, part in enumerate(parts):
            if index:
                yield Text("")
            yield _table(grid, part, beside, gap, console.encoding.startswith("utf"))


def _lines(cell: d.Cell | None, beside: bool) -> Lines:
    """`60.3 [49.1, 71.0]` with the paper's number below, or all below each other."""
    if cell is None:
        return [(_GAP, "dim")]
    first = cell.first if beside else cell.text
    paper = f"{'paper ' * beside}{cell.paper}" if cell.paper else ""
    lines = [(first, _STYLES[cell.tone]), ("" if beside else cell.interval, ""), (paper, "dim")]
    return [line for line in (*lines, *((flag, "yellow") for flag in cell.flags)) if line[0]]


def _fit(grid: d.Grid, columns: list[int], width: int) -> tuple[bool, int, list[list[int]]]:
    """Choose the most readable layout whose columns fit, or else cut them into even parts.

    Returns whether intervals stand beside their numbers, blanks between columns, and the parts.
    """
    room = width - (_label_width(grid) or 0)
    for beside, gap in ((True, 2), (False, 2), (False, 1)):
        if sum(_widths(grid, columns, beside)) + gap * len(columns) <= room:
            return beside, gap, [columns]
    parts = [columns]
    for count in range(2, len(columns) + 1):
        size = -(-len(columns) // count)
        parts = [columns[start : start + size] for start in range(0, len(columns), size)]
        if all(sum(_widths(grid, part, False)) + 2 * len(part) <= room for part in parts):
            break
    return False, 2, parts


def _label_width(grid: d.Grid) -> int | None:
    if grid.widest is None:
        return None
    texts = [text for row in grid.rows for text in (row.brief or row.family, row.detail)]
    texts += [grid.corner[-1], *(_label(grid, row) for row in range(len(grid.rows)))]
    return min(grid.widest, max(map(cell_len, texts)))


def _label(grid: d.Grid, row: int) -> str:
    """Below a family a label is indented: a family and a method are both called Gradient."""
    return " " * bool(grid.rows[row].family) + grid.rows[row].label


def _widths(grid: d.Grid, columns: list[int], beside: bool) -> list[int]:
    widths = []
    for column in columns:
        texts = [text for line in grid.cells for text, _ in _lines(line[column], beside)]
        # A header may break between its words, a number may not.
        texts += grid.columns[column].heading("(+)", "(-)").split(" ")
        widths.append(max(map(cell_len, texts)))
    return widths


def _table(grid: d.Grid, columns: list[int], beside: bool, gap: int, unicode: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, gap - 1), pad_edge=False, show_edge=False)
    table.add_column(Text(grid.head), width=_label_width(grid), overflow="fold")
    arrows = ("\u2191", "\u2193") if unicode else ("(+)", "(-)")
    for column in columns:
        head = grid.columns[column]
        title = Text(head.heading(*arrows))
        table.add_column(title, justify="left" if head.left else "right", overflow="fold")
    for family, rows in grid.families(columns):
        if family:
            table.add_row(Text(grid.rows[rows[0]].brief or family, style="italic dim"))
        for row in rows:
            detail = grid.rows[row].detail
            label = [(_label(grid, row), ""), *([(detail, "dim")] if detail else [])]
            cells = [_lines(grid.cells[row][column], beside) for column in columns]
            table.add_row(*map(_text, (label, *cells)))
    return table


def _text(lines: Lines) -> Text:
    return Text("\n").join(Text(text, style=style) for text, style in lines)
