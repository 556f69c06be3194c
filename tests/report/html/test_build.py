"""The page as a file: its sections in order, nothing from outside, nothing left from before."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from pages import EVIL, source

from xaibench.errors import XaibenchError
from xaibench.report.html import build
from xaibench.report.html.build import made, write_html
from xaibench.report.html.sections import made as how
from xaibench.report.html.view import Failure, Run, View


def test_sections_come_in_their_order_and_only_where_they_have_something(tmp_path: Path) -> None:
    one = View([Run("a", source("a"))], tmp_path)
    keys = [section.key for section in made(one)]
    assert keys[:3] == ["overview", "tables", "ranks"]
    assert keys[-1] == "made"
    assert not {"compare", "agreement", "figures", "ablation", "time"} & set(keys)


HERE = ("#", "data:,")
"""Places in the page itself, and its icon, which is empty."""


def test_nothing_is_asked_for_from_elsewhere(index: Path, single: Path) -> None:
    page = index.read_text(encoding="utf-8")
    for url in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert url.startswith(HERE) or (index.parent / url).is_file()
    inside = single.read_text(encoding="utf-8")
    assert all(u.startswith(HERE) for u in re.findall(r'(?:src|href)="([^"]*)"', inside))
    assert "://" not in re.sub(r'xmlns="[^"]*"', "", page + inside)
    assert [path.name for path in single.parent.iterdir()] == ["single-file.html"]


def test_evil_names_are_escaped_wherever_they_stand(index: Path, single: Path) -> None:
    for path in (index, single):
        page = path.read_text(encoding="utf-8")
        assert EVIL not in page
        assert "<script>document.title" not in page
        assert "&lt;/script&gt;&lt;script&gt;document.title" in page


def test_what_an_earlier_page_left_is_gone_and_what_anybody_put_there_is_not(
    tmp_path: Path,
) -> None:
    runs = [Run("a", source("a"))]
    first = View(runs, tmp_path)
    first.chunk("old", 1)
    first.asset("old.png", b"old")
    write_html(first)
    (tmp_path / "notes.txt").write_text("mine")
    second = View(runs, tmp_path)
    new = second.asset("new.png", b"new")
    write_html(second)
    held = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert {new, "notes.txt", "index.html", "static/page.js"} <= held
    assert not {"assets/old.png", "data/old.js"} & held


def test_a_section_that_cannot_be_imported_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "HERE", tmp_path)
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections" / "torn.py").write_text("")
    with pytest.raises(XaibenchError, match=r"section torn cannot be imported .* mend its file"):
        made(View([], tmp_path))


def test_what_failed_stands_in_how_it_was_made(tmp_path: Path) -> None:
    failures = [Failure(EVIL, "OSError: torn", [EVIL] * 12)]
    run = Run("a", source("a"), failures=failures)
    said = str(how.section(View([run], tmp_path)).body)
    assert "OSError: torn" in said
    assert "and 4 more" in said
    assert "nothing failed" not in said


def test_the_command_to_repeat_has_what_differs_from_defaults_and_its_own_directory() -> None:
    record = {
        "command": ["/x/xaibench", "run", "--out", "here"],
        "batch_size": 8,
        "config": {
            "method": ["gradcam", "rise(n_masks=9)"],
            "metric": ["insertion", "deletion"],
            "limit": 4,
            "keep_maps": "small",
            "strict": True,
            "retry_failed": False,
            "workers": 7,
            "dry_run": False,
            "out": "here",
            "data": "my photos",
        },
    }
    assert how.again(record) == (
        "xaibench run --method 'gradcam,rise(n_masks=9)' --data 'my photos' --limit 4 "
        "--batch-size 8 --maps small --strict --no-retry-failed --out results/runs/again"
    )
    assert how.again({}) == "xaibench run --out results/runs/again"


def test_records_that_somebody_edited_are_no_error(tmp_path: Path) -> None:
    record = {
        "command": 3,
        "counts": {"images": "many", "maps": 4},
        "config": {"method": [1], "limit": {}},
        "versions": {"torch": None},
        "batch_size": [],
        "started": 7,
    }
    run = Run("a", source("a"), None, [record, {"counts": 5, "command": "run"}])
    said = str(how.section(View([run], tmp_path)).body)
    assert "4 maps" in said
    assert "many" not in said


def test_what_only_looks_like_the_pages_own_stays(tmp_path: Path) -> None:
    """A folder of somebody's that `report/html` is a link to."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "d.csv").write_text("mine")
    write_html(View([Run("a", source("a"))], tmp_path))
    assert (tmp_path / "data" / "d.csv").read_text() == "mine"
    assert not (tmp_path / "assets").exists()


def test_a_page_and_a_single_file_stand_beside_each_other(tmp_path: Path) -> None:
    view = View([Run("a", source("a"))], tmp_path)
    view.chunk("tried-0", {"of": "the page"})
    index = write_html(view)
    held = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    single = write_html(replace(view, single_file=True, written={}, chunks={}))
    assert single != index
    assert {path: path.read_bytes() for path in held} == held
    before = single.read_bytes()
    write_html(view)
    assert single.read_bytes() == before
