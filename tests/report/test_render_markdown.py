"""A page as Markdown: rows are whole, what is markup is escaped, the best is bold."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from xaibench.report.render.markdown import escape


def test_markdown_rows_are_whole(
    odd_study: pd.DataFrame, report: Callable[..., str], tmp_path: Path
) -> None:
    report(odd_study)
    blocks = re.findall(r"(?:^\|.*\n)+", (tmp_path / "tables.md").read_text(), re.MULTILINE)
    assert len(blocks) == 1 + 3 + 1 + 4 + 3
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert escape("a*b_c|[d]") == r"a\*b\_c\|\[d\]"


def test_best_and_second(make_frame, report: Callable[..., str], tmp_path: Path) -> None:
    values = {"gradcam": 0.5, "rise": 0.7, "iba": 0.6}
    report(make_frame({"method": method, "value": value} for method, value in values.items()))
    markdown, latex = ((tmp_path / f"tables.{kind}").read_text() for kind in ("md", "tex"))
    assert "**70.0**" in markdown
    assert "<ins>60.0</ins>" in markdown
    assert r"\textbf{70.0}" in latex
    assert r"\underline{60.0}" in latex
