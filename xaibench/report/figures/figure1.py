"""Figure 1: the best and the worst image of each fidelity metric, with the maps of all methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from xaibench.analysis.columns import paper_column
from xaibench.analysis.layout import table_rows
from xaibench.analysis.measure import AVERAGED
from xaibench.config.catalog import Catalog
from xaibench.errors import XaibenchError
from xaibench.published.tables import FIGURE_1, FORMS
from xaibench.report.figures.picture import SCALE, Picture, overlay
from xaibench.report.figures.style import (
    LINE,
    WIDTH,
    add_axes,
    add_head,
    add_text,
    add_turned,
    caption_lines,
    figure,
    head_height,
    method_label,
    metric_label,
    save,
)
from xaibench.report.text import number

if TYPE_CHECKING:
    import pandas as pd

_MARGIN, _GAP, _BETWEEN = 0.36, 0.03, 0.07  # inches: row labels, between columns, between metrics
_LARGEST = 0.85  # inches: the side of a picture where there are few methods


@dataclass(frozen=True)
class Choice:
    """An image that a metric rates best or worst; `values` by method, as the tables print them."""

    metric: str
    which: str
    image: str
    values: dict[str, float]


def choose(scores: pd.DataFrame) -> list[Choice]:
    """Return the best and the worst image of each metric, by the mean over the methods.

    Only images that every method of the metric has a score for are compared. Of images with the
    same mean, the first by its id is taken. Higher is better in what the tables print.

    Args:
        scores: rows of one target and of untransformed images.

    Raises:
        XaibenchError: where there is nothing to choose from.
    """
    choices = []
    for metric in FIGURE_1:
        rows = scores[(scores["metric"] == metric) & scores["status"].isin(AVERAGED)]
        table = rows.pivot(index="image", columns="method", values="value").dropna()
        if table.empty:
            continue
        printed = FORMS[metric].offset + FORMS[metric].scale * table.sort_index()
        # rounded: equal values must tie whatever order they were added in
        means = printed.mean(axis=1).round(9)
        chosen = {"best": means.idxmax(), "worst": means.idxmin()}
        for which, image in ((which, str(image)) for which, image in chosen.items()):
            if which == "best" or len(means) > 1:
                row = printed.loc[image].to_numpy(dtype=np.float64)
                values = dict(zip(map(str, printed.columns), row.tolist(), strict=True))
                choices.append(Choice(metric, which, image, values))
    if not choices:
        names = ", ".join(FIGURE_1)
        raise XaibenchError(
            f"Figure 1 needs an image that every method has a score of {names} for: run these."
        )
    return choices


def draw(
    choices: Sequence[Choice],
    photographs: Mapping[str, Picture],
    maps: Mapping[tuple[str, str], Picture],
    probabilities: Mapping[str, float],
    folder: Path,
    run: str,
    catalog: Catalog,
) -> list[Path]:
    """Write `figure1.png` and `figure1.svg`.

    Args:
        choices: the rows.
        photographs: image -> (H, W, 3) in [0, 1], as the network saw it.
        maps: (image, method) -> (H, W) in [0, 1].
        probabilities: image -> probability of the explained class.
        folder: where to write.
        run: the run in a few words, for the caption.
        catalog: what the methods and metrics declare.
    """
    rows = table_rows((m for c in choices for m in c.values), catalog)
    methods = [row.method for row in rows]
    caption = _caption(choices, run, catalog)
    side = min(_LARGEST, (WIDTH - _MARGIN) / (len(methods) + 1) - _GAP)
    width = _MARGIN + (len(methods) + 1) * (side + _GAP)
    lines = caption_lines(caption, width)
    labels = [method_label(row.label) for row in rows]
    head = head_height(labels)
    pairs = len({c.metric for c in choices})
    body = len(choices) * (side + LINE) + pairs * _BETWEEN
    with figure(width, head + body + 0.05 + len(lines) * LINE + 0.05) as fig:
        lefts = [_MARGIN + i * (side + _GAP) for i in range(len(methods) + 1)]
        for left, label in zip(lefts, ["Image", *labels], strict=True):
            add_head(fig, left + side / 2, head, label)
        top = head
        for index, choice in enumerate(choices):
            if index and choice.metric != choices[index - 1].metric:
                top += _BETWEEN
            label = metric_label(paper_column(choice.metric, catalog))
            _row_label(fig, label, choices, index, top, side)
            photograph = photographs[choice.image]
            _picture(fig, lefts[0], top, side, photograph, f"p {probabilities[choice.image]:.2f}")
            for left, method in zip(lefts[1:], methods, strict=True):
                if method not in choice.values:
                    continue
                shown = overlay(photograph, maps[choice.image, method])
                _picture(fig, left, top, side, shown, number(choice.values[method], 1))
            top += side + LINE
        add_text(fig, 0.0, top + 0.1, "\n".join(lines), linespacing=1.25)
        return save(fig, folder, "figure1", caption)


def _row_label(
    fig: Figure, label: str, choices: Sequence[Choice], index: int, top: float, side: float
) -> None:
    choice = choices[index]
    add_turned(fig, _MARGIN - 0.1, top + side / 2, choice.which)
    if choice.which == "best":
        both = index + 1 < len(choices) and choices[index + 1].metric == choice.metric
        middle = top + (side + LINE / 2 if both else side / 2)
        add_turned(fig, 0.1, middle, label)


def _picture(fig: Figure, left: float, top: float, side: float, image: Picture, text: str) -> None:
    axes = add_axes(fig, left, top, side, side)
    axes.imshow(np.clip(image, 0, 1), aspect="auto", interpolation="antialiased")
    axes.set_axis_off()
    add_text(fig, left + side / 2, top + side + 0.015, text, ha="center")


def _caption(choices: Sequence[Choice], run: str, catalog: Catalog) -> str:
    listed = ", ".join(f"{catalog.metric(c.metric).short} {c.which} {c.image}" for c in choices)
    return (
        "Best and worst image of each metric: the highest and lowest mean over the methods, ties "
        "by image name, among the images that all methods have a score for. Below each map "
        f"({SCALE}) its value as in the tables, where a bar means 100 "
        f"minus the metric; below each image the probability of the explained class. {run}. "
        f"Images: {listed}."
    )
