"""Lists with one image a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from xaibench.datasets.lists import lines, pair
from xaibench.errors import XaibenchError


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a.jpg,3", ("a.jpg", "3")),
        ("a.jpg , -1", ("a.jpg", "-1")),
        ('"a b.jpg",n01440764', ("a b.jpg", "n01440764")),
        ("a, b.jpg,7", ("a, b.jpg", "7")),
        ("a.jpg,n01440764 1 2 3 4 n01440764 5 6 7 8", ("a.jpg", "n01440764")),
        ("val/a.jpg 65", ("val/a.jpg", "65")),
        ("a.jpg", None),
        ("a b.jpg 65", None),
        ("a.jpg,tench", None),
        ("a.jpg,n0144", None),
    ],
)
def test_forms_of_a_line(line: str, expected: tuple[str, str] | None) -> None:
    assert pair(line) == expected


def test_blank_lines_byte_order_marks_and_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeff a.jpg \r\n\r\n \r\nb.jpg".encode())
    assert lines(path) == ["a.jpg", "b.jpg"]


def test_what_is_no_list(tmp_path: Path) -> None:
    (tmp_path / "photo.txt").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(XaibenchError, match="is not text: give a list"):
        lines(tmp_path / "photo.txt")
    with pytest.raises(XaibenchError, match="No such file or directory; check the path"):
        lines(tmp_path / "none.txt")
