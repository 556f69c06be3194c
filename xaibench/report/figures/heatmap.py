"""The heat map of agreement: two triangles, correlation and overlap."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from xaibench.analysis.agreement import Agreement, Pair
from xaibench.analysis.layout import table_rows
from xaibench.errors import shown
from xaibench.report.figures.style import (
    LINE,
    WIDTH,
    add_axes,
    add_text,
    caption_lines,
    figure,
    save,
    text_width,
)
from xaibench.report.text import count, number, target_name

_LABELS, _GAP = 0.85, 0.3  # inches: the methods' names, between the triangles
_LARGEST = 0.45  # inches: the side of a cell where there are few methods
_UNDEFINED = (0.85, 0.85, 0.85, 1.0)
_LONGEST = 14  # characters of a label


def draw(agreement: Agreement, pairs: list[Pair], folder: Path) -> list[Path]:
    """Write `agreement.png` and `agreement.svg`."""
    rows = table_rows(agreement.methods, agreement.catalog)
    methods = [row.method for row in rows]
    labels = [_short(shown(row.label)) for row in rows]
    cells = len(methods) - 1
    cell = min(_LARGEST, ((WIDTH - _GAP) / 2 - _LABELS) / cells)
    side = cell * cells
    top = f"Overlap of the top {100 * agreement.top:g}%, %"
    second = 2 * _LABELS + side + _GAP
    width = max(3.6, second + max(side, text_width(top, bold=True) + 0.06))
    caption = _caption(agreement)
    lines = caption_lines(caption, width)
    high = LINE + 0.08 + side + _LABELS
    with figure(width, high + len(lines) * LINE + 0.05) as fig:
        correlation = {(p.first, p.second): p.correlation.mean for p in pairs}
        overlap = {(p.first, p.second): 100 * p.overlap.mean for p in pairs}
        box = (_LABELS, LINE + 0.08, side)
        _triangle(fig, methods, labels, correlation, box, ("RdBu_r", -1, 1), "Spearman's \u03c1")
        box = (second, LINE + 0.08, side)
        _triangle(fig, methods, labels, overlap, box, ("viridis", 0, 100), top)
        add_text(fig, 0.0, high + 0.02, "\n".join(lines), linespacing=1.25)
        return save(fig, folder, "agreement", caption)


def _triangle(
    fig: Figure,
    methods: list[str],
    labels: list[str],
    values: dict[tuple[str, str], float],
    box: tuple[float, float, float],
    scale: tuple[str, float, float],
    title: str,
) -> None:
    left, top, side = box
    name, low, high = scale
    cells = len(methods) - 1
    axes = add_axes(fig, left, top, side, side)
    axes.set(xlim=(0, cells), ylim=(cells, 0), xticks=np.arange(cells) + 0.5)
    axes.set(yticks=np.arange(cells) + 0.5)
    axes.set_yticklabels(labels[1:], parse_math=False)
    axes.set_xticklabels(labels[:-1], parse_math=False, rotation=90)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for row in range(cells):
        for column in range(row + 1):
            value = values[methods[column], methods[row + 1]]
            share = (value - low) / (high - low)
            add_cell(axes, (column, row), (name, share), short_number(value, high))
    add_text(fig, left, 0.03, title, weight="bold")


def add_cell(
    axes: Any, place: tuple[int, int], scale: tuple[str, float], text: str, weight: str = "normal"
) -> None:
    """A cell at (column, row) in a share of a colour map, grey where that is NaN, with its text."""
    (column, row), (name, share) = place, scale
    colour = _UNDEFINED if math.isnan(share) else colormaps[name](share)
    axes.add_patch(Rectangle(place, 1, 1, facecolor=colour, edgecolor="white"))
    axes.text(
        column + 0.5,
        row + 0.5,
        text,
        ha="center",
        va="center",
        weight=weight,
        color="white" if np.dot(colour[:3], (0.299, 0.587, 0.114)) < 0.5 else "black",
    )


def short_number(value: float, high: float) -> str:
    """Short: .83 for a correlation, 62 for a percentage, a dash where undefined."""
    if math.isnan(value):
        return "\u2013"
    text = number(value, 0) if high > 1 else number(value, 2).replace("0.", ".")
    return text.replace("-", "\u2212")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}\u2026"


def _caption(agreement: Agreement) -> str:
    top = f"{100 * agreement.top:g}%"
    return (
        "Do the methods point at the same pixels? Left: Spearman's rank correlation between two "
        f"methods' maps of the same image. Right: share of common pixels among the top {top} of "
        f"each, where unrelated maps share {top}. Means over "
        f"{count(len(agreement.images), 'image')}, {target_name(agreement.target)}; a dash is "
        "undefined (constant maps)."
    )
