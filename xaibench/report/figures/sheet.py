"""A contact sheet: images with their maps by several methods, all in one size and one colour map.

Below each other: the map, the map over the photograph, the scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from xaibench.report.figures.picture import Picture, overlay, tint
from xaibench.report.figures.style import (
    LINE,
    add_axes,
    add_text,
    caption_lines,
    figure,
    fitted,
    save_as,
)

DPI = 200
SIDE = 1.12  # inches: an input of 224 pixels is shown pixel by pixel
PER_LINE = 10  # methods beside each other
_GAP, _EDGE, _BETWEEN = 0.07, 0.1, 0.12  # inches: between pictures, around all, between lines
_NAME, _WORDS = 2, 3  # lines of a method's or a file's name, and of any other text


@dataclass(frozen=True)
class Explained:
    """An image on the sheet. photograph: (H, W, 3) in [0, 1], as the network sees it.

    name: the file's. words: what stands below it. maps: method's title -> (H, W) in [0, 1].
    scores: method's title -> lines below its map.
    """

    name: str
    photograph: Picture
    words: Sequence[str]
    maps: Mapping[str, Picture]
    scores: Mapping[str, Sequence[str]] = field(default_factory=dict)


def draw(images: Sequence[Explained], caption: str, path: Path) -> None:
    """Write the sheet as a PNG, replaced atomically. Raises XaibenchError where it cannot."""
    lines = [line for image in images for line in _lines(image)]
    most = max(len(titles) for _, titles in lines)
    width = 2 * _EDGE + (most + 1) * (SIDE + _GAP) - _GAP
    below = caption_lines(caption, width - 2 * _EDGE)
    heights = [_height(image, titles) for image, titles in lines]
    height = 2 * _EDGE + sum(heights) + len(lines) * _BETWEEN + len(below) * LINE
    with figure(width, height) as fig:
        top = _EDGE
        for (image, titles), high in zip(lines, heights, strict=True):
            _line(fig, image, titles, top)
            top += high + _BETWEEN
        add_text(fig, _EDGE, top, "\n".join(below), linespacing=1.25)
        save_as(fig, path, caption, DPI)


def _lines(image: Explained) -> list[tuple[Explained, list[str]]]:
    """An image once for each line of at most PER_LINE of its methods."""
    titles = list(image.maps)
    size = -(-len(titles) // -(-len(titles) // PER_LINE))
    return [(image, titles[i : i + size]) for i in range(0, len(titles), size)]


def _height(image: Explained, titles: Sequence[str]) -> float:
    scored = max(len(_scores(image, title)) for title in titles)
    words = (len(_words(image)) * LINE) - SIDE - _GAP
    return _head(image, titles) + 2 * SIDE + _GAP + max(scored * LINE, words) + 0.02


def _head(image: Explained, titles: Sequence[str]) -> float:
    """Inches for the names above the pictures."""
    return max(len(_fitted(one)) for one in (image.name, *titles)) * LINE + 0.03


def _fitted(name: str) -> list[str]:
    return fitted(name, SIDE, _NAME, bold=True)


def _scores(image: Explained, title: str) -> list[str]:
    return [part for line in image.scores.get(title, ()) for part in fitted(line, SIDE, _NAME)]


def _words(image: Explained) -> list[str]:
    return [part for line in image.words for part in fitted(line, SIDE, _WORDS)]


def _line(fig: Figure, image: Explained, titles: Sequence[str], top: float) -> None:
    """An image beside its maps by some methods."""
    head = _head(image, titles)
    first, second = top + head, top + head + SIDE + _GAP
    _named(fig, image.name, _EDGE, first)
    _picture(fig, image.photograph, _EDGE, first)
    add_text(fig, _EDGE, first + SIDE + 0.04, "\n".join(_words(image)), linespacing=1.25)
    for place, title in enumerate(titles, 1):
        left = _EDGE + place * (SIDE + _GAP)
        _named(fig, title, left, first)
        _picture(fig, tint(image.maps[title]), left, first)
        _picture(fig, overlay(image.photograph, image.maps[title]), left, second)
        scores = "\n".join(_scores(image, title))
        add_text(fig, left, second + SIDE + 0.02, scores, linespacing=1.25)


def _named(fig: Figure, name: str, left: float, bottom: float) -> None:
    text = "\n".join(_fitted(name))
    add_text(fig, left, bottom - 0.03, text, va="bottom", weight="bold", linespacing=1.1)


def _picture(fig: Figure, image: Picture, left: float, top: float) -> None:
    axes = add_axes(fig, left, top, SIDE, SIDE)
    axes.imshow(np.clip(image, 0, 1), aspect="auto", interpolation="antialiased")
    axes.set_axis_off()
