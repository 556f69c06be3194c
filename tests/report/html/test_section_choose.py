"""The choice as a section of the page: one part a run, nothing where nothing can be chosen."""

from __future__ import annotations

from pathlib import Path

from frames import study

from xaibench.analysis.compare import Source
from xaibench.report.html.sections import choose
from xaibench.report.html.view import Run, View


def made(tmp_path: Path, *methods: str) -> str | None:
    scores = study(10, methods)
    plain = scores[(scores["transform"] == "none") & (scores["metric"] == "insertion")]
    found = choose.section(View([Run("a", Source("a", plain))], tmp_path))
    return str(found.body) if found else None


def test_the_table_and_the_sentences_are_there(tmp_path: Path) -> None:
    body = made(tmp_path, "fakecam", "gradcam", "rise")
    assert body is not None
    assert "Fidelity rank" in body
    assert "2 methods on 10 images, ground-truth class: fidelity by insertion." in body
    assert "<small>control</small>" in body


def test_one_method_is_no_choice(tmp_path: Path) -> None:
    assert made(tmp_path, "gradcam") is None
