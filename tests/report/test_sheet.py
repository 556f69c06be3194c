"""The contact sheet: one size and one colour map for all, and nothing that overlaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xaibench.report.figures import sheet
from xaibench.report.figures.picture import overlay, tint
from xaibench.report.figures.style import fitted, text_width


def explained(name: str = "a.jpg", methods: int = 2, **more: object) -> sheet.Explained:
    ramp = np.linspace(0, 1, 224 * 224).reshape(224, 224)
    maps = {f"Method {number}": ramp**number for number in range(1, methods + 1)}
    grey = np.full((224, 224, 3), 0.5)
    return sheet.Explained(name, grey, ["tabby, p 0.83"], maps, **more)  # type: ignore[arg-type]


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"), dtype=np.float64) / 255


def at(picture: np.ndarray, column: int, row: int) -> np.ndarray:
    """The pixels of a picture of the sheet, whose first line of names is one line high."""
    side = round(sheet.SIDE * sheet.DPI)
    step = (sheet.SIDE + sheet._GAP) * sheet.DPI
    head = sheet._EDGE + sheet.LINE + 0.03
    left, top = round(sheet._EDGE * sheet.DPI + column * step), round(head * sheet.DPI + row * step)
    return picture[top + 2 : top + side - 2, left + 2 : left + side - 2]


def test_each_picture_is_shown_pixel_by_pixel_in_the_same_colours(tmp_path: Path) -> None:
    image = explained()
    sheet.draw([image], "Caption.", tmp_path / "sheet.png")
    found = pixels(tmp_path / "sheet.png")
    for column, values in enumerate(image.maps.values(), 1):
        for row, expected in enumerate((tint(values), overlay(image.photograph, values))):
            part = at(found, column, row)
            assert np.abs(part - expected[2:-2, 2:-2]).max() < 0.02
    assert np.abs(at(found, 0, 0) - 0.5).max() < 0.01


def test_many_methods_go_on_in_another_line(tmp_path: Path) -> None:
    sheet.draw([explained(methods=3)], "", tmp_path / "few.png")
    sheet.draw([explained(methods=12)], "", tmp_path / "many.png")
    few, many = (Image.open(tmp_path / f"{name}.png").size for name in ("few", "many"))
    step = (sheet.SIDE + sheet._GAP) * sheet.DPI
    assert many[0] == pytest.approx(few[0] + 3 * step, abs=1.5)  # six and six
    assert many[1] > few[1] + 2 * sheet.SIDE * sheet.DPI


@pytest.mark.parametrize(
    "name",
    [
        "x" * 300,
        "a name of very many words " * 20,
        "imagenet_00_243.jpg",
        "\x1b[31m.jpg",
        "字" * 50,
    ],
)
def test_names_stay_in_their_column(name: str) -> None:
    for bold in (False, True):
        lines = fitted(name, sheet.SIDE, 2, bold)
        assert len(lines) <= 2
        assert all(text_width(line, bold) <= sheet.SIDE for line in lines)
    assert "\x1b" not in "".join(lines)


def test_short_names_are_left_as_they_are() -> None:
    assert fitted("tabby, p 0.83", sheet.SIDE, 3) == ["tabby, p 0.83"]
    assert fitted("", sheet.SIDE, 3) == [""]


def test_a_name_is_cut_after_a_mark() -> None:
    assert fitted("imagenet_00_243.jpg", sheet.SIDE, 2, bold=True) == ["imagenet_00_", "243.jpg"]
    assert fitted("American Staffordshire terrier", sheet.SIDE, 3) == [
        "American Staffordshire",
        "terrier",
    ]
    assert fitted("a " * 50, sheet.SIDE, 1)[0].endswith("\u2026")


def test_the_same_sheet_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        scores = {"Method 1": ["I% 62.8"]}
        sheet.draw([explained(scores=scores)], "Caption.", tmp_path / f"{name}.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
