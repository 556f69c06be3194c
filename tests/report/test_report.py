"""What is printed and what is written."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from xaibench.report import write_report
from xaibench.report.render.latex import escape
from xaibench.report.render.markdown import escape as escape_markdown


def report(
    scores: pd.DataFrame, folder: Path, width: int = 100, tables: list[int] | None = None
) -> str:
    file = io.StringIO()
    write_report(scores, folder, tables, Console(file=file, width=width))
    return file.getvalue()


@pytest.fixture
def odd_study(full_study: pd.DataFrame) -> pd.DataFrame:
    """The full study and all that makes a table harder to set."""
    plain = full_study[full_study["transform"] == "none"]
    spec = plain[plain["method"] == "rise"].assign(method='rise(fill="50% & a_b#{c}$^~", n=2000)')
    other = plain[plain["metric"] == "insertion"].assign(metric="pointing_game(a|b=<1>)")
    odd = pd.concat([full_study.astype({"method": str, "metric": str}), spec, other])
    odd = odd.reset_index(drop=True)
    odd.loc[(odd["method"] == "lime") & (odd["image"] == "0003.jpg"), "status"] = "nonfinite"
    odd.loc[(odd["method"] == "gradcam") & (odd["image"] == "0004.jpg"), "status"] = "constant_map"
    odd.loc[odd["method"] == "iba", "status"] = "failed"
    return odd


def test_files(full_study: pd.DataFrame, tmp_path: Path) -> None:
    written = write_report(full_study, tmp_path / "report", None, Console(file=io.StringIO()))
    names = ["tables.md", "tables.csv", "tables.json", "tables.tex", "tables.html"]
    assert written == [tmp_path / "report" / name for name in names]
    assert sorted(p.name for p in (tmp_path / "report").iterdir()) == sorted(names)


def test_csv_and_json_say_the_same(odd_study: pd.DataFrame, tmp_path: Path) -> None:
    report(odd_study, tmp_path)
    with (tmp_path / "tables.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    content = json.loads((tmp_path / "tables.json").read_text())
    assert content["run"]["model"] == "resnet50"
    cells = [cell for table in content["tables"] for cell in table["cells"]]
    assert len(cells) == len(lines)
    assert len([cell for cell in cells if cell["paper"] is not None]) == 460
    for cell, line in zip(cells, lines, strict=True):
        cell["n_left_out"] = sum(cell["n_left_out"].values())
        assert {key: "" if value is None else str(value) for key, value in cell.items()} == line


def test_same_scores_same_bytes(odd_study: pd.DataFrame, tmp_path: Path) -> None:
    report(odd_study, tmp_path / "a")
    report(odd_study.sample(frac=1, random_state=1), tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize("width", [80, 100, 160])
def test_terminal_fits(odd_study: pd.DataFrame, tmp_path: Path, width: int) -> None:
    text = report(odd_study, tmp_path, width)
    assert max(map(len, text.splitlines())) <= width
    assert "\u2026" not in text
    # No number is broken over two lines: as many brackets open as close on each.
    grid = text[text.index("Table 1.") :]
    intervals = [line for line in grid.splitlines() if re.search(r"\[-?\d", line)]
    assert intervals
    assert all(line.count("[") == line.count("]") for line in intervals)


def test_terminal_cells(make_frame, tmp_path: Path) -> None:
    scores = make_frame({"image": str(i), "value": 0.6 + 0.1 * (i % 3)} for i in range(9))
    text = report(scores, tmp_path)
    assert re.search(r"Grad-CAM +70\.0 \[\d\d\.\d, \d\d\.\d\]", text)
    assert "paper 66.8 (+3.2)" in text
    assert "model resnet50, dataset imagenet, 9 images, protocol published" in text


def test_terminal_without_unicode(full_study: pd.DataFrame, tmp_path: Path) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    write_report(full_study, tmp_path, [1, 2], Console(file=stream, width=80))
    stream.flush()
    assert b"AI% (+)" in raw.getvalue()


def test_fill_command_is_printed_in_one_piece(make_frame, tmp_path: Path) -> None:
    text = report(make_frame([{}]), tmp_path, 60, [4])
    assert "xaibench run --method fakecam,gradient,ig,guidedbp,gradcam,gradcampp,scorecam" in text


def test_best_and_second(make_frame, tmp_path: Path) -> None:
    values = {"gradcam": 0.5, "rise": 0.7, "iba": 0.6}
    scores = make_frame({"method": method, "value": value} for method, value in values.items())
    report(scores, tmp_path)
    markdown, latex = ((tmp_path / f"tables.{kind}").read_text() for kind in ("md", "tex"))
    assert "**70.0**" in markdown
    assert "<ins>60.0</ins>" in markdown
    assert r"\textbf{70.0}" in latex
    assert r"\underline{60.0}" in latex


def test_markdown_rows_are_whole(odd_study: pd.DataFrame, tmp_path: Path) -> None:
    report(odd_study, tmp_path)
    blocks = re.findall(r"(?:^\|.*\n)+", (tmp_path / "tables.md").read_text(), re.MULTILINE)
    assert len(blocks) == 1 + 3 + 1 + 4 + 3
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert escape_markdown("a*b_c|[d]") == r"a\*b\_c\|\[d\]"


def test_latex_is_well_formed(odd_study: pd.DataFrame, tmp_path: Path) -> None:
    report(odd_study, tmp_path)
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
def test_latex_compiles(odd_study: pd.DataFrame, tmp_path: Path) -> None:
    report(odd_study, tmp_path)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:]
    assert "Overfull" not in run.stdout  # nothing hangs over the edge of the page


def test_import_is_cheap() -> None:
    heavy = "{'pandas', 'rich', 'numpy', 'torch'} & set(sys.modules)"
    code = f"import sys, xaibench.report; print(sorted({heavy}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
    everything = (
        "import sys, xaibench.analysis.tables, xaibench.report.render.terminal, xaibench.published"
    )
    code = f"{everything}; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
