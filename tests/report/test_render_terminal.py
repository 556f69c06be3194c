"""A page on a terminal: it fits, no number is broken, it can do without Unicode."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from xaibench.report import write_report


@pytest.mark.parametrize("width", [80, 100, 160])
def test_terminal_fits(odd_study: pd.DataFrame, report: Callable[..., str], width: int) -> None:
    text = report(odd_study, width)
    assert max(map(len, text.splitlines())) <= width
    assert "\u2026" not in text
    # No number is broken over two lines: as many brackets open as close on each.
    grid = text[text.index("Table 1.") :]
    intervals = [line for line in grid.splitlines() if re.search(r"\[-?\d", line)]
    assert intervals
    assert all(line.count("[") == line.count("]") for line in intervals)


def test_terminal_cells(make_frame, report: Callable[..., str]) -> None:
    text = report(make_frame({"image": str(i), "value": 0.6 + 0.1 * (i % 3)} for i in range(9)))
    assert re.search(r"Grad-CAM +70\.0 \[\d\d\.\d, \d\d\.\d\]", text)
    assert "paper 66.8 (+3.2)" in text
    assert "model resnet50, dataset imagenet, 9 images, protocol published" in text


def test_terminal_without_unicode(full_study: pd.DataFrame, tmp_path: Path) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    write_report(full_study, tmp_path, [1, 2], Console(file=stream, width=80))
    stream.flush()
    assert b"AI% (+)" in raw.getvalue()


def test_fill_command_is_folded_as_a_shell_joins_it(make_frame, report: Callable[..., str]) -> None:
    text = report(make_frame([{}]), 60, [4])
    assert max(map(len, text.splitlines())) <= 60
    joined = text.replace("\\\n", "")
    assert "fakecam,gradient,ig,guidedbp,gradcam,gradcampp,scorecam,rise,lime,iba" in joined


def test_table_2_does_not_repeat_table_1(
    full_study: pd.DataFrame, report: Callable[..., str], tmp_path: Path
) -> None:
    text = report(full_study, 100, [1, 2])
    second = text[text.index("Table 2.") :]
    assert re.search(r"ground-truth class *\nas in Table 1 above", second)
    assert second.count("Grad-CAM++") == 2, "for two other classes"
    assert (tmp_path / "tables.md").read_text().count("Grad-CAM++") == 4, "a file has all of it"
    alone = report(full_study, 100, [2])
    assert alone.count("Grad-CAM++") == 3
