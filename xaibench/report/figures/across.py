"""The heat map of rankings across runs: Kendall's tau of every two, a line a metric."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from xaibench.analysis.across import PAPER, Across
from xaibench.errors import shown
from xaibench.report.figures.heatmap import add_cell, short_number
from xaibench.report.figures.style import (
    LINE,
    WIDTH,
    add_axes,
    add_text,
    caption_lines,
    figure,
    fitted,
    save,
    text_width,
)
from xaibench.report.text import count, target_name

_ROW, _GAP = 0.2, 0.12  # inches: a line's height, between panels
_NARROW, _WIDE = 0.36, 0.6  # inches: a column's width, with many and with few
_LABELS = 1.4  # inches: the most that the metrics' names take


def draw(found: Across, folder: Path) -> list[Path]:
    """Write `across.png` and `across.svg`."""
    names = [fitted(metric.column.header, _LABELS, 1)[0] for metric in found.metrics]
    left = max(map(text_width, names)) + 0.08
    pairs = found.two_and_two
    most = int((WIDTH - left) / _NARROW)
    panels = [pairs[i : i + most] for i in range(0, len(pairs), most)]
    cell = min(_WIDE, (WIDTH - left) / len(panels[0]))
    width = max(3.6, left + cell * len(panels[0]))
    caption = _caption(found)
    lines = caption_lines(caption, width)
    step = 2 * LINE + 0.06 + _ROW * len(names) + _GAP
    with figure(width, step * len(panels) + len(lines) * LINE + 0.05) as fig:
        for i, panel in enumerate(panels):
            _panel(fig, found, names, panel, (left, i * step, cell))
        add_text(fig, 0.0, step * len(panels), "\n".join(lines), linespacing=1.25)
        return save(fig, folder, "across", caption)


def _panel(
    fig: Figure,
    found: Across,
    names: list[str],
    pairs: list[tuple[str, str]],
    box: tuple[float, float, float],
) -> None:
    left, top, cell = box
    head = 2 * LINE + 0.06
    axes = add_axes(fig, left, top + head, cell * len(pairs), _ROW * len(names))
    axes.set(xlim=(0, len(pairs)), ylim=(len(names), 0), xticks=[])
    axes.set(yticks=np.arange(len(names)) + 0.5)
    axes.set_yticklabels(names, parse_math=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for column, pair in enumerate(pairs):
        middle = left + (column + 0.5) * cell
        add_text(fig, middle, top + 0.02, "\n".join(pair), ha="center", linespacing=1.25)
        for row, metric in enumerate(found.metrics):
            one = next((t for t in metric.taus if (t.first, t.second) == pair), None)
            if one is None:
                continue
            tau = math.nan if one.tau is None else one.tau
            text = short_number(tau, 1) + "!" * metric.unsure(one)
            weight = "bold" if one.sure else "normal"
            add_cell(axes, (column, row), ("RdBu_r", (tau + 1) / 2), text, weight)


def _caption(found: Across) -> str:
    runs = "; ".join(
        f"{x}: {shown(source.name)} ({count(found.images[x], 'image')})"
        for x, source in found.runs.items()
    )
    paper = "; paper: the printed values, ResNet-50"
    return (
        "Does the ranking hold? Kendall's tau of two rankings of the methods (heads) by a metric: "
        "1 the same order, \u22121 the opposite; bold where its 95% interval excludes 0. A "
        f"dash: all methods alike; !: fewer than 10 images; empty: not in both. "
        f"{target_name(found.target).capitalize()}. {runs}"
        f"{paper * any(PAPER in metric.rankings for metric in found.metrics)}."
    )
