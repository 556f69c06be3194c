"""How the figures look: one size of type, colours that everybody can tell apart, no display."""

from __future__ import annotations

import bisect
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from xaibench.analysis.columns import Column
from xaibench.config.catalog import FAMILIES
from xaibench.errors import shown
from xaibench.report.text import barred
from xaibench.store.atomic import write

WIDTH = 6.0
"""Inches: the width of the text in the proceedings that the paper is in."""
TYPE = 7
"""Points: the smallest type that is read without effort, and the only size here."""
LINE = 0.135
"""Inches from one line of type to the next."""

_DPI = {"png": 300, "svg": 200}  # in an SVG only photographs are made of pixels
_RC: Any = {
    "font.family": "DejaVu Sans",  # the one that matplotlib brings along
    "font.size": TYPE,
    "axes.titlesize": TYPE,
    "axes.labelsize": TYPE,
    "xtick.labelsize": TYPE,
    "ytick.labelsize": TYPE,
    "axes.linewidth": 0.5,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "svg.hashsalt": "xaibench",  # same numbers, same bytes
}
# Okabe & Ito's palette: distinct for all common kinds of colour vision.
_COLOURS = dict(zip(FAMILIES, ("#666666", "#0072B2", "#D55E00", "#009E73", "#CC79A7"), strict=True))
_MARKS, _MORE = " _-/(,=", "\u2026"
_LABEL = 10  # characters in a line of a method's label


@contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """A figure of that many inches in the house's type."""
    with rc_context(_RC):
        yield Figure(figsize=(width, height))


def add_axes(fig: Figure, left: float, top: float, width: float, height: float) -> Any:
    """Axes by their upper left corner and size in inches."""
    wide, high = fig.get_size_inches()
    return fig.add_axes((left / wide, 1 - (top + height) / high, width / wide, height / high))


def add_text(fig: Figure, left: float, top: float, text: str, **more: Any) -> None:
    """Text at a place in inches from the upper left corner; a dollar is a dollar."""
    wide, high = fig.get_size_inches()
    how: dict[str, Any] = {"fontsize": TYPE, "va": "top", "parse_math": False} | more
    fig.text(left / wide, 1 - top / high, text, **how)


def add_turned(fig: Figure, left: float, middle: float, text: str) -> None:
    """Text that runs upwards, around a place in inches; between dollars it is a formula."""
    add_text(fig, left, middle, text, rotation=90, ha="center", va="center", parse_math=True)


def head_height(labels: Sequence[str]) -> float:
    """Inches above the pictures for the methods' labels."""
    return (1 + max(label.count("\n") for label in labels)) * LINE + 0.04


def add_head(fig: Figure, middle: float, height: float, text: str, **more: Any) -> None:
    """A name around `middle` at the bottom of the head."""
    add_text(fig, middle, height - 0.04, text, ha="center", va="bottom", **more)


def save(fig: Figure, folder: Path, name: str, title: str) -> list[Path]:
    """Write `name.png` and `name.svg`, each replaced atomically; `title` is the text for ears."""
    paths = [folder / f"{name}.{kind}" for kind in _DPI]
    for path in paths:
        save_as(fig, path, title)
    return paths


def save_as(fig: Figure, path: Path, title: str, dpi: int | None = None) -> None:
    """Write a figure as a PNG or SVG, by the path's ending, replaced atomically."""
    kind = path.suffix[1:].lower()
    metadata = {"Title": shown(title)} | ({"Date": None} if kind == "svg" else {})

    def draw(file: Path) -> None:
        with rc_context(_RC), _any_script():
            fig.savefig(file, format=kind, dpi=dpi or _DPI[kind], metadata=metadata)

    write(path, draw)


def caption_lines(text: str, width: float) -> list[str]:
    """A caption cut into lines of at most `width` inches; a word may be longer."""
    lines = [""]
    for word in shown(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def fitted(text: str, width: float, most: int, bold: bool = False) -> list[str]:
    """A name cut into at most so many lines of `width` inches, after marks where it has some."""
    lines, rest = list[str](), " ".join(shown(text).split())
    while rest and len(lines) < most:
        end = _end(rest, width, bold)
        marks = [place + 1 for place in range(end // 2, end) if rest[place] in _MARKS]
        cut = marks[-1] if marks and end < len(rest) and rest[end] != " " else end
        lines.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    if rest:
        lines[-1] = f"{lines[-1][: _end(lines[-1], width - text_width(_MORE, bold), bold)]}{_MORE}"
    return lines or [""]


def _end(text: str, width: float, bold: bool) -> int:
    """How many characters of a text fit, at least one."""
    end = bisect.bisect_right(
        range(1, len(text) + 1), width, key=lambda count: text_width(text[:count], bold)
    )
    return max(end, 1)


def text_width(text: str, bold: bool = False) -> float:
    """Inches that a line of type takes."""
    weight = "bold" if bold else "normal"
    font = FontProperties(family="DejaVu Sans", size=TYPE, weight=weight)
    with _any_script():
        wide, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(wide) / 72


@contextmanager
def _any_script() -> Iterator[None]:
    """A character that the font lacks is a box, and no warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def method_label(name: str) -> str:
    """A method's name in short lines for the head of a narrow column."""
    if name == "GuidedBP":
        return "Guided\nBP"
    return "\n".join(textwrap.wrap(shown(name), 6 if "-" in name else _LABEL))


def metric_label(column: Column, bars: bool = True) -> str:
    """A metric's abbreviation with percent; with `bars`, under a bar where 100 - x is printed."""
    name = rf"\mathbf{{{column.short}}}"
    name = rf"\overline{{{name}}}" if bars and barred(column) else name
    return rf"${name}\mathbf{{\%}}$"


def colour(family: str) -> str:
    """The colour of a family of methods."""
    return _COLOURS[family]
