"""The report as a LaTeX document with booktabs tables.

The document compiles by itself; a single `table` environment can be copied out of it.
"""

from __future__ import annotations

import re

from xaibench.analysis.header import PAPER, Header
from xaibench.analysis.types import Fill, Table, TableColumn
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

_PREAMBLE = r"""% Written by xaibench. Needs the packages booktabs, geometry and graphicx.
\documentclass[10pt,a4paper]{article}
\usepackage[margin=12mm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
\setlength{\parindent}{0pt}
\begin{document}"""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}
_MARKS = {0: "{}", 1: r"\textbf{{{}}}", 2: r"\underline{{{}}}"}
# What is wider than the page is made smaller, and nothing else is.
_FIT = r"\leavevmode\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\box0}\else\box0\fi"
_COLUMNS = 6  # side by side on a page


def to_latex(header: Header, tables: list[Table]) -> str:
    """Return the whole report as one LaTeX document."""
    quoted = re.sub('"([^"]*)"', r"``\1''", escape(PAPER))
    parts = [_PREAMBLE, rf"\section*{{{escape(header_line(header))}}}", f"Paper: {quoted}."]
    parts += [rf"\textbf{{Note.}} {escape(note)}" for note in header.notes]
    parts.append(escape(" ".join(legend(tables))))
    if any(barred(column.column) for table in tables for column in table.columns):
        parts.append(r"A bar is 100 minus the metric: $\overline{\mathrm{D}} = 100 - \mathrm{D}$.")
    for table in tables:
        if not table.rows:
            parts.append(rf"\textbf{{{escape(title(table))}}}")
        for group, columns in column_groups(table):
            for start in range(0, len(columns), _COLUMNS):
                parts.append(_float(table, group, columns[start : start + _COLUMNS]))
        parts += [escape(note) for note in table.notes]
        parts += _fill(table.fill) if table.fill else []
        parts.append(r"\clearpage")
    return "\n\n".join(part for part in parts if part) + "\n\n\\end{document}\n"


def escape(text: str) -> str:
    """Escape LaTeX's special characters; what is outside ASCII becomes a question mark."""
    # pdflatex stops at a character its fonts lack, and a file name may hold any.
    plain = text.encode("ascii", "replace").decode("ascii")
    return "".join(_SPECIAL.get(character, character) for character in plain)


def _float(table: Table, group: str, columns: list[int]) -> str:
    caption = title(table) + (f": {group}" if group else "")
    lines = [
        r"\begin{table}[htbp]",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\textbf{{{escape(caption)}}}\par\smallskip",
        r"\setbox0\hbox{%",
        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\toprule",
        _line(["", *(_heading(table.columns[column]) for column in columns)]),
    ]
    for family, rows in row_families(table, columns):
        lines += [r"\midrule", _line([rf"\textit{{{escape(family)}}}"] + [""] * len(columns))]
        for index, row in rows:
            cells = [_cell(table, index, column) for column in columns]
            lines.append(_line([escape(row.label), *(cell[0] for cell in cells)]))
            for second in range(1, max(map(len, cells))):
                lines.append(_line(["", *(_nth(cell, second) for cell in cells)]))
    lines += [r"\bottomrule", r"\end{tabular}", "}%", _FIT, r"\end{table}"]
    return "\n".join(lines)


def _fill(fill: Fill) -> list[str]:
    """Return the line that says what is missing, and the command in a type that may be broken."""
    # Without -{}- the hyphens of an option would be set as one dash.
    command = escape(fill.command).replace("--", "-{}-").replace(",", r",\allowbreak{}")
    command = command.replace("'", r"{\char13}")
    return [escape(fill_line(fill)), rf"{{\raggedright\ttfamily\small {command}\par}}"]


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _heading(column: TableColumn) -> str:
    arrow = {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}
    short = barred(column.column)
    head = rf"$\overline{{\mathrm{{{short}}}}}$\%" if short else escape(column.column.header)
    return head + arrow[column.column.higher_is_better]


def _nth(lines: list[str], index: int) -> str:
    return lines[index] if index < len(lines) else ""


def _cell(table: Table, row: int, column: int) -> list[str]:
    """Return the lines of a cell: mean and interval, the paper, what the mean hides."""
    cell = table.cells[row][column]
    if cell is None:
        return [r"$\cdot$"]
    text = cell_text(cell, table.columns[column].column, table.images)
    mean = _MARKS[cell.place].format(_minus(text.mean))
    lines = [mean + (rf" {{\scriptsize {_minus(text.interval)}}}" if text.interval else "")]
    if text.paper and text.difference:
        printed = f"{_minus(text.paper)} ({_minus(text.difference)})"
        lines.append(rf"{{\scriptsize paper {printed}}}")
    return lines + [rf"{{\scriptsize {escape(flag)}}}" for flag in text.flags]


def _minus(number: str) -> str:
    """Set a minus sign, not a hyphen; the lone dash of a missing value stays."""
    return number if number == "-" else number.replace("-", "$-$")
