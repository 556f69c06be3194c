"""What earlier commands left in a run's report folder, as sections show it again."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xaibench.report import document as d
from xaibench.report.html.view import Run
from xaibench.store import layout


@dataclass(frozen=True)
class Picture:
    """A figure that lies in a folder: its file, what it shows, whether the run has gone on since.

    `width` and `height` are its pixels, so that the page keeps room until it is loaded.
    """

    path: Path
    text: str
    older: bool
    width: int
    height: int


def picture(run: Run, name: str, text: str) -> Picture | None:
    """The figure of a name, as PNG; None where nobody made it."""
    path = run.report / f"{name}.png" if run.report else None
    if path is None or not path.is_file():
        return None
    from PIL import Image

    try:
        with Image.open(path) as image:
            return Picture(path, text, older(run, path), *image.size)
    except OSError:
        return None  # no picture: the command that made it makes it again


def older(run: Run, path: Path) -> bool:
    """Whether something ran in the directory after a file was made."""
    made = path.stat().st_mtime
    return run.folder is not None and any(
        one.stat().st_mtime > made for one in layout.manifests(run.folder)
    )


def table(
    path: Path,
    columns: Mapping[str, str],
    label: Sequence[str],
    name: Callable[[str], str],
    ends: Mapping[str, tuple[str, str]],
) -> d.Grid | None:
    """Columns of a CSV file by their heads; None where there is no such file or it lacks one.

    label: the columns that make a row's label, each as `name` has it. ends: the columns with the
    ends of a column's interval.
    """
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    if not lines or not {*columns, *label} <= lines[0].keys():
        return None
    heads = [d.Column(head) for head in columns.values()]
    rows = [d.Row(" / ".join(name(line[part]) for part in label)) for line in lines]
    cells = [[_cell(line, column, ends.get(column)) for column in columns] for line in lines]
    return d.Grid((" / ".join(part.capitalize() for part in label),), heads, rows, cells)


def _cell(line: dict[str, str], column: str, ends: tuple[str, str] | None) -> d.Cell:
    if not line[column]:
        return d.Cell("")
    low, high = (line.get(end) or "" for end in ends or ("", ""))
    return d.Cell(_short(line[column]), f"[{_short(low)}, {_short(high)}]" if low and high else "")


def _short(text: str) -> str:
    """A number in two decimals, a small one in two digits; a count and a word as they are."""
    if text.lstrip("-").isdigit():
        return text
    try:
        value = float(text)
    except ValueError:
        return text
    small = math.isfinite(value) and 0 < abs(value) < 0.1
    return f"{value:.{1 - math.floor(math.log10(abs(value))) if small else 2}f}"
