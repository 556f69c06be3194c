"""Files that a user put beside a run's own: they stay, and change nothing of what the run does."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from pictures import BASE, IDS, MORE, OTHER, assert_the_same, run, write

STATES = {**BASE, "method": "gradient,rise(n_masks=4)"}


@pytest.mark.parametrize("name", ["gradient.bak", "gradient.txt", "notes.txt"])
def test_a_note_among_the_states_costs_no_results(data: Path, tmp_path: Path, name: str) -> None:
    run(data, tmp_path / "out", STATES)
    beside = tmp_path / "out" / "state" / name
    beside.write_text("mine")
    said, end = run(data, tmp_path / "out", STATES)
    assert (said, "nothing left to compute" in end) == ("", True)
    assert beside.read_text() == "mine"


@pytest.mark.parametrize("kind", ["predictions", "maps", "scores"])
@pytest.mark.parametrize("changed", [False, True])
def test_a_copy_of_a_file_of_results(data: Path, tmp_path: Path, kind: str, changed: bool) -> None:
    run(data, tmp_path / "out", BASE)
    path = min((tmp_path / "out" / kind).rglob("[0-9]*"))
    copy = path.with_name(f"{path.stem} copy{path.suffix}")
    shutil.copyfile(path, copy)
    before = copy.read_bytes()
    if changed:
        write(data, IDS[0], OTHER)
    said, end = run(data, tmp_path / "out", MORE)
    assert "computed" in end, end
    assert "foreign" not in said
    assert copy.read_bytes() == before
    copy.unlink()
    run(data, tmp_path / "fresh", MORE)
    assert_the_same(tmp_path / "out", tmp_path / "fresh")


def test_a_pipe_among_the_failures_is_not_waited_for(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", BASE)
    (tmp_path / "out" / "failures").mkdir()
    os.mkfifo(tmp_path / "out" / "failures" / "00000-12345678.json")

    def too_long(*_: object) -> None:
        raise AssertionError("it waits for the pipe")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(60)
    try:
        assert "nothing left to compute" in run(data, tmp_path / "out", BASE)[1]
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
