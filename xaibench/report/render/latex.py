"""A page as a LaTeX document with booktabs tables.

The document compiles by itself; a single `table` environment can be copied out of it.
"""

from __future__ import annotations

import re
from itertools import zip_longest

from xaibench.report import document as d

_PREAMBLE = r"""% Written by xaibench. Needs the packages booktabs, geometry and graphicx.
\documentclass[10pt,a4paper]{article}
\usepackage[margin=12mm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
\setlength{\parindent}{0pt}
\begin{document}"""
_BARS = r"A bar is 100 minus the metric: $\overline{\mathrm{D}} = 100 - \mathrm{D}$."
_SPECIAL = {mark: rf"\{mark}" for mark in "{}_%&#$"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}
_TONES = {"strong": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}
_SMALL = r"{{\scriptsize {}}}"
# What is wider than the page is made smaller, and nothing else is.
_FIT = r"\leavevmode\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\box0}\else\box0\fi"
_COLUMNS = 6  # side by side on a page


def render(page: d.Document) -> str:
    """Return the whole page as one LaTeX document."""
    head, *rest = page.opening
    parts = [_PREAMBLE, rf"\section*{{{escape(head)}}}", *map(escape, rest)]
    parts += [part for block in page.blocks for part in _block(block, "")]
    parts.append(escape(page.legend))
    grids = [block for part in page.sections for block in part.blocks if isinstance(block, d.Grid)]
    if any(column.bar for grid in grids for column in grid.columns):
        parts.append(_BARS)
    parts += [part for section in page.sections for part in _section(section)]
    return "\n\n".join(part for part in parts if part) + "\n\n\\end{document}\n"


def escape(text: str) -> str:
    """Escape LaTeX's special characters; what is outside ASCII becomes a question mark."""
    # pdflatex stops at a character its fonts lack, and a file name may hold any.
    plain = text.encode("ascii", "replace").decode("ascii")
    return "".join(_SPECIAL.get(character, character) for character in plain)


def _prose(text: str) -> str:
    return re.sub('"([^"]*)"', r"``\1''", escape(text))


def _section(section: d.Section) -> list[str]:
    floats = any(isinstance(block, d.Grid) for block in section.blocks)
    title = rf"\textbf{{{escape(section.title)}}}" if section.title and not floats else ""
    quote = f"\\begin{{quote}}{_prose(section.quote)}\\end{{quote}}" if section.quote else ""
    blocks = [part for block in section.blocks for part in _block(block, section.title)]
    return [title, quote, *blocks, r"\clearpage" * floats]


def _block(block: d.Block, title: str) -> list[str]:
    match block:
        case d.Paragraph():
            label = rf"\textbf{{{escape(block.label)}.}} " if block.label else ""
            return [label + _prose(block.text)]
        case d.Bullets():
            return list(map(_item, block.items))
        case d.Command():
            # Without -{}- the hyphens of an option would be set as one dash.
            command = escape(block.text).replace("--", "-{}-").replace(",", r",\allowbreak{}")
            command = command.replace("'", r"{\char13}")
            return [rf"{{\raggedright\ttfamily\small {command}\par}}"]
        case d.Figure():
            return [rf"\includegraphics[width=\linewidth]{{{block.file}}}"]
        case d.Verdict():
            said = rf"\textbf{{{escape(block.reads)}.}} Rule: {_prose(block.rule)}"
            return [said, *map(_item, block.findings)]
    return [
        _float(block, f"{title}: {group}" if group else title, columns[start : start + _COLUMNS])
        for group, columns in block.groups()
        for start in range(0, len(columns), _COLUMNS)
    ]


def _item(item: d.Paragraph) -> str:
    return rf"\textbf{{{escape(item.label)}}}: " * bool(item.label) + _prose(item.text)


def _float(grid: d.Grid, caption: str, columns: list[int]) -> str:
    heads = [grid.columns[column] for column in columns]
    lines = [
        r"\begin{table}[htbp]",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\textbf{{{escape(caption)}}}\par\smallskip" if caption else "%",
        r"\setbox0\hbox{%",
        rf"\begin{{tabular}}{{l{''.join('l' if head.left else 'r' for head in heads)}}}",
        r"\toprule",
        _line([escape(grid.head), *map(_heading, heads)]),
    ]
    for family, rows in grid.families(columns):
        lines.append(r"\midrule")
        if family:
            lines.append(_line([rf"\textit{{{escape(family)}}}"] + [""] * len(columns)))
        for row in rows:
            cells = [_cell(grid.cells[row][column]) for column in columns]
            lines += map(_line, zip_longest(_label(grid.rows[row]), *cells, fillvalue=""))
    lines += [r"\bottomrule", r"\end{tabular}", "}%", _FIT, r"\end{table}"]
    return "\n".join(lines)


def _line(cells: list[str] | tuple[str, ...]) -> str:
    row = " & ".join(cells) + r" \\"
    return "{}" + row if row.startswith(("[", "*")) else row  # else an option of the row above


def _heading(column: d.Column) -> str:
    arrow = {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}
    head = rf"$\overline{{\mathrm{{{column.bar}}}}}$\%" if column.bar else escape(column.head)
    return head + arrow[column.better]


def _label(row: d.Row) -> list[str]:
    return [escape(row.label)] + [_SMALL.format(escape(row.detail))] * bool(row.detail)


def _cell(cell: d.Cell | None) -> list[str]:
    """Return the lines of a cell."""
    if cell is None:
        return [r"$\cdot$"]
    first = _TONES.get(cell.tone, "{}").format(_minus(cell.text))
    first += f" {_SMALL.format(_minus(cell.interval))}" if cell.interval else ""
    paper = [_SMALL.format(f"paper {_minus(cell.paper)}")] if cell.paper else []
    return [first, *paper, *(_SMALL.format(escape(flag)) for flag in cell.flags)]


def _minus(text: str) -> str:
    """Set a minus sign, not a hyphen, before a number."""
    return re.sub(r"(?<!\w)-(?=\d)", "$-$", escape(text))
