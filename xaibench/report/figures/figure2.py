"""Figure 2: the probability of the explained class against four fidelity metrics, per method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xaibench.analysis.columns import paper_column
from xaibench.analysis.layout import table_rows
from xaibench.analysis.measure import AVERAGED
from xaibench.analysis.paired import centred_ranks, correlation
from xaibench.config.catalog import Catalog
from xaibench.errors import XaibenchError
from xaibench.published.tables import FIGURE_2
from xaibench.report.figures.style import (
    LINE,
    WIDTH,
    add_axes,
    add_head,
    add_text,
    add_turned,
    caption_lines,
    colour,
    figure,
    head_height,
    method_label,
    metric_label,
    save,
)

if TYPE_CHECKING:
    import pandas as pd

_LEFT, _BELOW, _GAP = 0.5, 0.42, 0.09  # inches: y labels, x labels, between panels
_SMALLEST, _LARGEST = 0.4, 1.1  # inches: the side of a panel
_MANY = 2_000  # points from which they are drawn as an image

Floats = NDArray[np.float64]
Points = dict[tuple[str, str], tuple[Floats, Floats]]


def collect(scores: pd.DataFrame, probabilities: Mapping[str, float]) -> Points:
    """Return (method, metric) -> probabilities (n,) and values in percent (n,) of its images.

    Args:
        scores: rows of one target and of untransformed images.
        probabilities: image -> probability of the target's class on the untouched image.

    Raises:
        XaibenchError: where none of the metrics has a score.
    """
    rows = scores[scores["metric"].isin(FIGURE_2) & scores["status"].isin(AVERAGED)]
    rows = rows.assign(p=rows["image"].map(probabilities)).dropna(subset=["p", "value"])
    if rows.empty:
        raise XaibenchError(f"Figure 2 needs scores of one of {', '.join(FIGURE_2)}: run these.")
    return {
        (str(method), str(metric)): (
            part["p"].to_numpy(dtype=np.float64),
            100 * part["value"].to_numpy(dtype=np.float64),
        )
        for (method, metric), part in rows.groupby(["method", "metric"], observed=True)
    }


def spearman(x: Floats, y: Floats) -> float:
    """Rank correlation of x (n,) and y (n,), ties at their mean rank; NaN where one is constant."""
    return correlation(*centred_ranks(np.stack([x, y])))


def draw(points: Points, folder: Path, target: str, run: str, catalog: Catalog) -> list[Path]:
    """Write `figure2.png` and `figure2.svg`; target and run are words for the caption."""
    rows = table_rows((method for method, _ in points), catalog)
    methods = [row.method for row in rows]
    colours = [colour(catalog.method(method).family) for method in methods]
    labels = [method_label(row.label) for row in rows]
    side = (WIDTH - _LEFT) / len(methods) - _GAP
    side = min(_LARGEST, max(_SMALLEST, side))
    width = max(3.2, _LEFT + len(methods) * (side + _GAP))
    text = _caption(points, target, run)
    lines = caption_lines(text, width)
    head = head_height(labels)
    step = side + LINE + 0.12
    with figure(width, head + 4 * step + _BELOW + len(lines) * LINE + 0.05) as fig:
        for j, method in enumerate(methods):
            left = _LEFT + j * (side + _GAP)
            add_head(fig, left + side / 2, head, labels[j], color=colours[j], weight="bold")
            for i, metric in enumerate(FIGURE_2):
                box = (left, head, side, step)
                _panel(fig, points.get((method, metric)), colours[j], (i, j), box)
        for i, metric in enumerate(FIGURE_2):
            middle = head + i * step + LINE + side / 2
            add_turned(fig, 0.1, middle, metric_label(paper_column(metric, catalog), bars=False))
        middle = _LEFT + len(methods) * (side + _GAP) / 2
        add_text(fig, middle, head + 4 * step + 0.12, "probability p", ha="center")
        add_text(fig, 0.0, head + 4 * step + _BELOW - 0.1, "\n".join(lines), linespacing=1.25)
        return save(fig, folder, "figure2", text)


def _panel(
    fig: Figure,
    points: tuple[Floats, Floats] | None,
    colour: str,
    cell: tuple[int, int],
    box: tuple[float, float, float, float],
) -> None:
    (i, j), (left, head, side, step) = cell, box
    top = head + i * step
    axes = add_axes(fig, left, top + LINE, side, side)
    axes.set(xlim=(-0.05, 1.05), ylim=(-5, 105), xticks=[0, 1], yticks=[0, 50, 100])
    axes.set_xticklabels(["0", "1"] if i == len(FIGURE_2) - 1 else [])
    axes.set_yticklabels(["0", "50", "100"] if j == 0 else [])
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    if points is None:
        axes.text(0.5, 50, "not scored", ha="center", va="center", color="0.4", rotation=45)
        return
    x, y = points
    size = 9.0 if len(x) < 200 else 2.0 if len(x) < _MANY else 0.5
    opacity = min(0.7, max(0.02, 500 / len(x)))  # where points pile up it should still show
    axes.scatter(
        x,
        y,
        s=size,
        alpha=opacity,
        color=colour,
        linewidths=0,
        rasterized=len(x) >= _MANY,
        clip_on=False,
    )
    rho = spearman(x, y)
    text = "\u2013" if math.isnan(rho) else f"{rho:.2f}".replace("-", "\u2212")
    add_text(fig, left + side / 2, top, rf"$\rho$ {text}", ha="center", parse_math=True)


def _caption(points: Points, target: str, run: str) -> str:
    counts = sorted({len(x) for x, _ in points.values()})
    n = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return (
        f"Probability p of the {target} on the untouched image against AG, AD, insertion (I) and "
        f"deletion (D) in percent, one point an image, {n} images a panel. Colours are families "
        "of methods. \u03c1 is Spearman's rank correlation of p and the metric; a dash where one "
        f"of them is constant. {run}."
    )
