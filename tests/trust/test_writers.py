"""Two processes that would write one run directory: the second is refused, or waits as asked."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pytest
from forks import Attempt, Forks, forks, soon
from helpers import cli
from networks import THOUSAND

import xaibench
from xaibench.errors import XaibenchError
from xaibench.studies import ablate

MODEL = ("--model", THOUSAND, "--workers", 0, "--method", "gradcam")
SCORED = (*MODEL, "--metric", "average_drop")
COMMANDS = {
    "run": ("run", *SCORED, "--metric", "sparseness", "--limit", 3, "--out"),
    "overwrite": ("run", *SCORED, "--limit", 2, "--overwrite", "--out"),
    "explain": ("explain", *MODEL, "--limit", 4, "--out"),
    "ablate": ("ablate", *SCORED, "--limit", 3, "--switch", "probability", "--out"),
    "clean": ("clean", "--maps", "--yes"),
    "fix": ("doctor", "--fix"),
    "report": ("report",),
}
"""The directory comes last; for `ablate` it is the one above."""
HELD = {"run": 5, "overwrite": 4, "explain": 5, "ablate": 6, "clean": 1, "fix": 1, "report": 2}
"""The change at which a command is in the middle."""
KEYS = ["method", "target", "transform", "variation", "metric", "image"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("writers")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Forks]:
    with forks(place / "log", "run", *SCORED, "--limit", 2, "--out", place / "run") as held:
        assert held.run(*COMMANDS["run"], place / "three").code == 0
        yield held


@pytest.fixture
def out(server: Forks, place: Path, tmp_path: Path) -> Path:
    """A run of two images with something for every command to do."""
    found = Path(shutil.copytree(place / "run", tmp_path / "ablation" / "published"))
    (found / "maps" / ".tmp-left").touch()
    return found


def words(name: str, out: Path) -> tuple[object, ...]:
    return (*COMMANDS[name], out.parent if name == "ablate" else out)


def held(server: Forks, name: str, out: Path) -> Attempt:
    """A command in the middle of its work. An ablation waits: it takes one directory at a time."""
    folder = out.parents[1]
    wait = ["--wait"] * (name == "ablate")
    attempt = server.start(*words(name, out), *wait, hold=str(folder), at=HELD[name])
    assert soon((folder / "waits").exists), attempt.text("err")
    return attempt


def let_go(out: Path) -> None:
    (out.parents[1] / "go").touch()


ALIKE = ("explain", "fix")
"""Commands that hold the directory as `run` and `clean` do."""


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in ALIKE))
        for name in COMMANDS
        if name != "report"
    ],
)
def test_others_are_refused_or_wait_and_readers_read(
    server: Forks, place: Path, out: Path, first: str
) -> None:
    one = held(server, first, out)
    for second in COMMANDS:
        ended = server.run(*words(second, out))
        if second == "report":
            assert ended.code == 0 or first == "overwrite", ended.err
            assert ended.code == 0 or "no scores" in ended.line or "went while" in ended.line
            continue
        assert ended.code == 1, (second, ended)
        asked = COMMANDS[first][0]
        start = f"xaibench: {out} is in use by process {one.pid} on {os.uname().nodename} since "
        assert ended.line.startswith(start), second
        assert f"({asked} " in ended.line.replace("xaibench ", "")
        assert "wait for its end" in ended.line
    assert cli("list", "methods")[0] == 0
    assert cli("doctor", out)[0] in (0, 1)
    if first != "overwrite":
        assert len(xaibench.load_scores(out)) >= 2
    waiters = [server.start(*words(name, out), "--wait") for name in ("run", "explain", "ablate")]
    for waiter in waiters:
        assert waiter.says(f"{out} is in use by process {one.pid} on "), waiter.text("err")
    let_go(out)
    for attempt in (one, *waiters):
        ended = attempt.wait()
        assert ended.code == 0, ended.err
    assert server.run(*COMMANDS["run"], out).code == 0
    pd.testing.assert_frame_equal(
        xaibench.load_scores(out), xaibench.load_scores(place / "three"), check_exact=True
    )
    assert server.run("doctor", out, "--fix").code == 0
    assert server.run("doctor", out).code == 0


def test_nobody_replaces_the_maps_that_an_ablation_copies(server: Forks, out: Path) -> None:
    copy, ended = ablate._adopt, []

    def others_write(*words: Any) -> None:
        ended.append(server.run(*COMMANDS["explain"], out))
        copy(*words)

    with mock.patch.object(ablate, "_adopt", others_write):
        assert cli(*words("ablate", out))[0] == 0
    assert {one.code for one in ended} == {1}
    assert all(f"{out} is in use by process {os.getpid()}" in one.line for one in ended)


@pytest.mark.parametrize("second", [name for name in COMMANDS if name != "report"])
def test_whoever_writes_while_a_report_is_made(
    server: Forks, place: Path, out: Path, second: str
) -> None:
    """A report reads: nobody waits for it, and it ends well or in a line."""
    one = held(server, "report", out)
    assert server.run(*words(second, out)).code == 0
    let_go(out)
    ended = one.wait()
    assert ended.code == 0 or ended.line
    assert server.run(*COMMANDS["run"], out).code == 0
    pd.testing.assert_frame_equal(
        xaibench.load_scores(out), xaibench.load_scores(place / "three"), check_exact=True
    )


def test_two_limits_at_once_make_no_row_twice(server: Forks, tmp_path: Path) -> None:
    out = tmp_path / "a" / "run"
    start = ("run", *SCORED, "--out", out, "--limit")
    one = server.start(*start, 7, hold=str(tmp_path), at=12)
    assert soon((tmp_path / "waits").exists)
    two = server.start(*start, 8, "--wait")
    assert two.says("waiting")
    let_go(out)
    assert [one.wait().code, two.wait().code] == [0, 0]
    frame = xaibench.load_scores(out)
    assert len(frame) == 8
    files = [pd.read_parquet(path) for path in (out / "scores").rglob("*.parquet")]
    assert sum(map(len, files)) == 8
    assert server.run(*start, 8, "--overwrite").code == 0
    pd.testing.assert_frame_equal(frame, xaibench.load_scores(out), check_exact=True)


def test_who_waits_takes_the_directory_as_it_then_is(server: Forks, tmp_path: Path) -> None:
    """The batch size of the first holds for the second, and another seed is refused."""
    out = tmp_path / "a" / "run"
    start = ("run", *SCORED, "--limit", 2, "--out", out)
    one = server.start(*start, "--batch-size", 32, hold=str(tmp_path), at=1)
    assert soon((tmp_path / "waits").exists)
    two = server.start(*start, "--metric", "sparseness", "--batch-size", 16, "--wait")
    three = server.start(*start, "--seed", 1, "--wait")
    assert two.says("waiting")
    assert three.says("waiting")
    let_go(out)
    assert [one.wait().code, two.wait().code] == [0, 0]
    assert "holds another run (seed: 0 there, 1 asked for)" in three.wait().line
    assert json.loads((out / "manifests" / "batch_size.json").read_text()) == 32
    said = [json.loads(path.read_text())["batch_size"] for path in out.glob("manifests/run-*")]
    assert said == [32, 32]


def test_ctrl_c_ends_who_waits(server: Forks, out: Path) -> None:
    one = held(server, "run", out)
    two = server.start(*words("run", out), "--wait")
    assert two.says("waiting")
    two.send(signal.SIGINT)
    assert two.wait().code == 130
    let_go(out)
    assert one.wait().code == 0


def test_the_lock_of_a_stopped_process_holds_and_that_of_a_dead_one_does_not(
    server: Forks, out: Path
) -> None:
    one = held(server, "run", out)
    one.send(signal.SIGSTOP)
    assert f"process {one.pid} " in server.run(*words("clean", out)).line
    one.send(signal.SIGKILL)
    assert one.wait().code == -signal.SIGKILL
    assert server.run(*words("run", out)).code == 0


LOCKS = {
    "garbage": None,
    "directory": "Is a directory",
    "link": "Too many levels of symbolic links",
    "pipe": None,
}


@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_file_of_another_kind(server: Forks, out: Path, kind: str) -> None:
    path = out / ".lock"
    path.unlink()
    if kind == "garbage":
        path.write_bytes(b"\0\xff garbage")
    elif kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(out / "elsewhere")
    else:
        os.mkfifo(path)
    ended = server.run(*words("run", out))
    if LOCKS[kind]:
        assert ended.code == 1
        line = f"xaibench: cannot write {path}: {LOCKS[kind]}; choose another --out or free space."
        assert ended.line == line
    else:
        assert ended.code == 0, ended.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_lock_file_that_may_not_be_opened(out: Path) -> None:
    (out / ".lock").chmod(0)
    code, _, err = cli(*words("run", out))
    assert (code, "Permission denied; choose another" in err) == (1, True)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"process": 1}', None])
def test_who_holds_a_lock_need_not_be_said(server: Forks, out: Path, content: bytes | None) -> None:
    one = held(server, "run", out)
    holder = out / ".lock.json"
    holder.unlink()
    holder.mkdir() if content is None else holder.write_bytes(content)
    assert f"{out} is in use by another process: wait" in server.run(*words("run", out)).line
    let_go(out)
    assert one.wait().code == 0


def tree(out: Path) -> dict[Path, tuple[int, int]]:
    files = [path for path in out.rglob("*") if not path.name.startswith(".lock")]
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


REFUSED = {
    "unknown layer": (("--cam-layer", "nowhere"), "nowhere"),
    "missing method": (("--method", "file:nowhere.py:mine"), "nowhere.py"),
    "missing metric": (("--metric", "file:nowhere.py:mine"), "nowhere.py"),
    "unknown method": (("--method", "gradcan"), "did you mean"),
    "unknown option": (("--method", "gradcam(x=1)"), "x"),
    "missing data": (("--data", "/nowhere/at/all"), "/nowhere/at/all"),
    "missing weights": (("--weights", "/nowhere.pt"), "nowhere.pt"),
    "missing subset": (("--subset", "/nowhere.txt"), "nowhere.txt"),
    "missing protocol": (("--protocol", "/nowhere.yaml"), "nowhere.yaml"),
    "pointing without boxes": (("--metric", "pointing_game"), "boxes"),
    "missing boxes": (("--metric", "pointing_game", "--boxes", "/nowhere"), "/nowhere"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_deletes_nothing(out: Path, case: str) -> None:
    more, expected = REFUSED[case]
    before = tree(out)
    code, _, err = cli("run", *SCORED, "--limit", 2, "--overwrite", "--out", out, *more)
    assert code in (1, 2), err
    assert err.count("\n") == 1
    assert expected in err
    assert tree(out) == before


def test_scoring_does_not_delete_the_maps_that_it_scores(out: Path) -> None:
    before = tree(out)
    code, _, err = cli("score", *SCORED, "--limit", 2, "--overwrite", "--out", out)
    line = "--overwrite deletes the maps that are to be scored: use `xaibench run`."
    assert (code, err) == (2, f"xaibench: {line}\n")
    assert tree(out) == before


def test_files_of_the_users_own_are_left_and_named(out: Path) -> None:
    mine = [out / "nohup.out", out / "scores" / "notes.txt", out / "maps" / "old" / "00000-a.npz"]
    for path in mine:
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("mine")
    (out / "link").symlink_to(out.parent)
    code, said, err = cli(*words("overwrite", out))
    assert code == 0, err
    assert "left alone, since no run made it: " in said
    assert "and 2 more" in said
    assert [path.read_text() for path in mine] == ["mine"] * 3
    assert len(xaibench.load_scores(out)) == 2
    code, said, err = cli(*words("clean", out))
    assert f"left alone, since no run made it: {mine[2]}\n" in said


@pytest.mark.parametrize("what", ["file", "folder", "other"])
def test_a_place_that_is_no_run_directory(tmp_path: Path, what: str) -> None:
    place = tmp_path / "place"
    if what == "file":
        place.write_text("mine")
    else:
        place.mkdir()
        (place / "thesis.tex").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(XaibenchError, match="is a file" if what == "file" else "holds files"):
        xaibench.run({"model": THOUSAND, "out": place, "overwrite": what != "other"})
    assert tree(tmp_path) == before
