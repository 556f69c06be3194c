"""Checks as a section of the page: all of each run, nothing where no run has any."""

from __future__ import annotations

from pathlib import Path

from checks import evidence, good, scores
from frames import study

from xaibench.analysis.check import judge
from xaibench.analysis.check.evidence import Judgement
from xaibench.analysis.compare import Source
from xaibench.report.html.sections import check
from xaibench.report.html.view import Run, View


def body(tmp_path: Path, *held: list[Judgement]) -> str | None:
    runs = [Run(f"run{i}", Source(f"run{i}", study(2, ["rise"]))) for i in range(len(held))]
    found = check.section(View(runs, tmp_path, prepared={"check": held}))
    return str(found.body) if found else None


def test_the_checks_of_each_run_are_there_with_their_sentences(tmp_path: Path) -> None:
    judged = judge(evidence(scores(good)))
    found = body(tmp_path, [judged], [])
    assert found is not None
    assert "<h3>May RISE be believed?" in found
    assert "Against controls" in found
    assert found.count("run0") == 1
    assert "run1" not in found


def test_nothing_is_shown_where_nothing_was_checked(tmp_path: Path) -> None:
    assert body(tmp_path, []) is None
    view = View([Run("a", Source("a", study(2, ["rise"])))], tmp_path)
    assert check.section(view) is None
