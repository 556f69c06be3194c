"""Files that a user put beside a run's own: they stay, and change nothing of what the run does."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import cli
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


@pytest.mark.parametrize("kind", ["predictions", "maps", "scores", "state"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_in_the_place_of_one(
    data: Path, tmp_path: Path, kind: str, make: Callable[[Path], None]
) -> None:
    """Nothing waits for it, the run has its results, and what deletes files leaves folders."""
    out = tmp_path / "out"
    run(data, out, STATES)
    path = min(p for p in (out / kind).rglob("*.*") if p.is_file() and p.suffix != ".tmp")
    path.unlink()
    make(path)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(60)
    try:
        cli("doctor", out, "--fix")
        run(data, out, {**STATES, "metric": MORE["metric"]})
        assert cli("report", out)[0] == 0
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    if path.is_dir():
        path.rmdir()
    run(data, tmp_path / "fresh", {**STATES, "metric": MORE["metric"]})
    assert_the_same(out, tmp_path / "fresh")


def test_a_note_among_maps_that_are_forgotten(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(data, out, STATES)
    (folder,) = out.glob("maps/rise*")
    (folder / "notes.txt").write_text("mine")
    for beside in (out / "state").glob("rise*.parquet"):
        beside.unlink()
    said, _ = run(data, out, STATES)
    assert "rise" in said
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_file_in_the_place_of_the_folder_for_what_is_set_aside(
    data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(data, out, BASE)
    min((out / "scores").rglob("[0-9]*.parquet")).write_bytes(b"")
    (out / "set-aside").write_text("mine")
    _, end = run(data, out, BASE)
    assert re.search("cannot move .* delete one of the two", end), end
    (out / "set-aside").unlink()
    assert "damaged" in run(data, out, BASE)[0]
