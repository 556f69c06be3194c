"""A page as LaTeX: well formed, plain ASCII, and it compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from xaibench.report.render.latex import escape


def test_latex_is_well_formed(
    odd_study: pd.DataFrame, report: Callable[..., str], tmp_path: Path
) -> None:
    report(odd_study)
    text = (tmp_path / "tables.tex").read_text()
    assert text.isascii()
    bare = re.sub(r"\\[{}%&#$_\\]", "", text.replace(r"\\", ""))
    assert bare.count("{") == bare.count("}")
    assert re.findall(r"\\begin\{(\w+)\}", text).count("tabular") == len(
        re.findall(r"\\end\{tabular\}", text)
    )
    for spec, body in re.findall(
        r"\\begin\{tabular\}\{(l+r+)\}(.*?)\\end\{tabular\}", text, re.DOTALL
    ):
        for line in body.splitlines():
            if line.endswith(r"\\"):
                assert len(re.findall(r"(?<!\\)&", line)) == len(spec) - 1
    assert escape("a_b & 50%") == r"a\_b \& 50\%"
    assert escape("caf\u00e9 {x}") == r"caf? \{x\}"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_latex_compiles(
    odd_study: pd.DataFrame, report: Callable[..., str], tmp_path: Path
) -> None:
    report(odd_study)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:]
    assert "Overfull" not in run.stdout  # nothing hangs over the edge of the page
