"""The files of a report: all of them, the same numbers in each, the same bytes each time."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from rich.console import Console

from xaibench.report import write_report


def test_files(full_study: pd.DataFrame, tmp_path: Path) -> None:
    written = write_report(full_study, tmp_path / "report", None, Console(file=io.StringIO()))
    names = ["tables.md", "tables.csv", "tables.json", "tables.tex", "tables.html"]
    assert written == [tmp_path / "report" / name for name in names]
    assert sorted(p.name for p in (tmp_path / "report").iterdir()) == sorted(names)


def test_csv_and_json_say_the_same(
    odd_study: pd.DataFrame, report: Callable[..., str], tmp_path: Path
) -> None:
    report(odd_study)
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


def test_same_scores_same_bytes(
    odd_study: pd.DataFrame, report: Callable[..., str], tmp_path: Path
) -> None:
    report(odd_study, folder=tmp_path / "a")
    report(odd_study.sample(frac=1, random_state=1), folder=tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_without_the_paper_its_numbers_are_nowhere(
    full_study: pd.DataFrame, tmp_path: Path
) -> None:
    file = io.StringIO()
    write_report(full_study, tmp_path, [1], Console(file=file, width=100), paper=False)
    texts = [path.read_text() for path in tmp_path.iterdir()] + [file.getvalue()]
    assert not [text for text in texts if "ACML" in text or "paper 6" in text]
    content = json.loads((tmp_path / "tables.json").read_text())
    assert content["paper"] is None
    cells = content["tables"][0]["cells"]
    assert len(cells) == 60
    assert {(cell["paper"], cell["difference"]) for cell in cells} == {(None, None)}


def test_other_weights_of_the_papers_network_are_said(
    full_study: pd.DataFrame, tmp_path: Path
) -> None:
    file = io.StringIO()
    identity = {"weights": "random(seed=0)"}
    write_report(full_study, tmp_path, [1], Console(file=file, width=200), identity=identity)
    assert "weights differ here (resnet50 with random(seed=0), imagenet)" in file.getvalue()


def test_import_is_cheap() -> None:
    heavy = "{'pandas', 'rich', 'numpy', 'torch'} & set(sys.modules)"
    code = f"import sys, xaibench.report; print(sorted({heavy}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
    everything = (
        "import sys, xaibench.report.pages.tables, xaibench.report.render.terminal, "
        "xaibench.published"
    )
    code = f"{everything}; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
