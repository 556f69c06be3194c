"""`report --html` and `--single-file`, on run directories made by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers import cli
from test_report_pairs import runs

from xaibench.cli import sources
from xaibench.store.atomic import write_json
from xaibench.studies.page import names

__all__ = ["runs"]


def test_one_run_is_a_page(runs: Path) -> None:
    code, said, error = cli("report", runs / "later", "--html")
    assert (code, error) == (0, "")
    assert (
        said == "written: results/runs/later/report/html/index.html; next: open it in a browser\n"
    )
    folder = runs / "later" / "report" / "html"
    assert (folder / "static" / "page.js").is_file()
    assert "<h1>later</h1>" in (folder / "index.html").read_text()


def test_more_than_two_runs_are_one_page(runs: Path) -> None:
    assert (
        cli("report", *(runs / name for name in ("old", "new", "later")), "--html", "--gallery=0")[
            0
        ]
        == 0
    )
    page = (runs / "old" / "report" / "html" / "index.html").read_text()
    assert page.count('type="radio"') == 4
    assert "B: later" in page
    assert "3 of 15 differ" in page


def test_a_single_file_says_its_size_and_warns_where_it_is_large(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said, error = cli("report", runs / "later", "--single-file", "--gallery=0")
    assert (code, error) == (0, "")
    index = runs / "later" / "report" / "html" / "single-file.html"
    size = f"{index.stat().st_size / 1e6:.1f} MB"
    assert said == f"written: {index} ({size}); next: open it in a browser\n"
    monkeypatch.setattr(sources, "LARGE", 1000)
    code, _, error = cli("report", runs / "later", "--single-file", "--gallery=0")
    assert code == 0
    assert "That is large for one file: without --single-file" in error


def test_what_could_not_be_computed_stands_in_the_page(runs: Path) -> None:
    failed = {"method": "rise", "transform": "none", "variation": "none", "metric": "explain"}
    folder = runs / "later" / "failures"
    unit = folder / "units" / "rise" / "none" / "none" / "explain" / "00000.json"
    write_json(unit, {**failed, "reason": "ValueError: torn", "images": ["00.jpg"]})
    write_json(folder / "00000-a1b2c3d4.json", {"unreadable": [{"image": "x", "reason": "cut"}]})
    write_json(unit.with_name("00001.json"), ["damaged"])
    assert cli("report", runs / "later", "--html", "--gallery=0")[0] == 0
    page = (runs / "later" / "report" / "html" / "index.html").read_text()
    assert "ValueError: torn" in page
    assert "rise, explain" in page
    assert ">cut<" in page


@pytest.mark.parametrize("option", ["--claims", "--table=1", "--page=time"])
def test_the_page_holds_all_so_that_parts_are_refused(runs: Path, option: str) -> None:
    code, _, error = cli("report", runs / "later", "--html", option)
    assert code == 2
    assert error.startswith("xaibench: --html holds all of it: leave ")


def test_the_page_without_a_gallery_needs_no_torch(runs: Path) -> None:
    code = (
        "import sys; sys.argv = ['xaibench', 'report', '--html', '--gallery=0'];"
        "from xaibench.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: print(stop.code, 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "0 False"


def test_runs_are_called_by_what_tells_them_apart() -> None:
    assert names([Path("/a/x"), Path("/a/y")]) == ["x", "y"]
    assert names([Path("/a/x/r"), Path("/a/y/r"), Path("/a/z")]) == ["x/r", "y/r", "a/z"]
