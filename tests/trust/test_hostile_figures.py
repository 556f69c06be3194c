"""Names of hostile kinds in the figures: drawn as they are seen, never as a formula or as XML."""

from __future__ import annotations

from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import numpy as np
import pytest
from frames import frame
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from xaibench.analysis.agreement import Agreement, summarise
from xaibench.config.declared import shipped
from xaibench.report.figures import figure2, heatmap

NAMES = {  # a name -> what is drawn of it, whatever the line ends
    "\x1b[31mred\x1b[0m": r"\x1b[31mred\x1b[0m",
    "\u202egpj.exe": r"\u202egpj.exe",
    "a\x00b": r"a\x00b",
    "two\nlines": r"two\nlines",
    r"$\frac{$": r"$\frac{$",
    "$x$": "$x$",
    "--><script>": "--><script>",
    "&amp;": "&amp;",
}


def texts_of(fig: Figure) -> str:
    return "".join("".join(t.get_text().split()) for t in fig.findobj(Text))


def drawn(module: object, draw: object, folder: Path) -> tuple[str, list[Path]]:
    """The texts of what is drawn, and its files."""
    save, seen = module.save, []  # type: ignore[attr-defined]

    def spy(fig: Figure, *more: object) -> list[Path]:
        seen.append(fig)
        return list(save(fig, *more))

    with mock.patch.object(module, "save", spy):
        paths = draw(folder)  # type: ignore[operator]
    return texts_of(seen[0]), paths


def assert_whole(paths: list[Path]) -> None:
    png, svg = paths
    with Image.open(png) as image:
        image.load()
    tree = ElementTree.parse(svg)
    assert not [e for e in tree.iter() if e.tag.endswith("script")]


@pytest.mark.parametrize(("name", "seen"), NAMES.items())
def test_figure_2(name: str, seen: str, tmp_path: Path) -> None:
    rows = [{"method": name, "image": f"{i}.jpg", "value": i / 4} for i in range(4)]
    points = figure2.collect(frame(rows), {f"{i}.jpg": i / 8 for i in range(4)})
    text, paths = drawn(
        figure2, lambda folder: figure2.draw(points, folder, name, name, shipped()), tmp_path
    )
    assert text.count(seen) >= 3, "in the head of the column, twice in the caption"
    assert_whole(paths)


@pytest.mark.parametrize(("name", "seen"), NAMES.items())
def test_heat_map(name: str, seen: str, tmp_path: Path) -> None:
    values = np.full((3, 1), 0.5)
    agreement = Agreement(
        (name, "gradcam"),
        "ground_truth",
        ["a", "b", "c"],
        values,
        values,
        np.zeros((3, 1), dtype=bool),
        0.1,
        5,
        shipped(),
    )
    pairs = summarise(agreement)
    text, paths = drawn(heatmap, lambda folder: heatmap.draw(agreement, pairs, folder), tmp_path)
    assert seen[:13] in text
    assert_whole(paths)
