"""Shards at work in one directory at the same time, in processes of their own."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from forks import Attempt, Forks, forks, soon
from helpers import cli
from networks import THOUSAND
from PIL import Image
from shards import same

from xaibench.store import layout

COUNT = 83
"""Images: a block and three more."""
MODEL = ("--model", THOUSAND, "--workers", 0, "--target", "predicted")
WORK = (*MODEL, "--method", "gradcam,rise(n_masks=8)", "--metric", "sparseness")
GROUPS = (*MODEL, "--method", "fakecam", "--metric", "sparseness", "--transform", "none,mixup")
KILLS = [22, *(pytest.param(at, marks=pytest.mark.slow) for at in (3, 14, 30))]
MIDDLE = 26
"""The change of the directory at which a shard is in the middle of its work."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small pictures of noise, and a list of some of them in a drawn order."""
    folder = tmp_path_factory.mktemp("shards")
    (folder / "data").mkdir()
    drawn = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 3), np.uint8)
    names = [f"{number:03d}.png" for number in range(COUNT)]
    for name, picture in zip(names, drawn, strict=True):
        Image.fromarray(picture).save(folder / "data" / name)
    random.Random(0).shuffle(names)
    (folder / "list.txt").write_text("\n".join(names[:-2]))
    return folder


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Forks]:
    with forks(place / "log", *words(place, place / "whole")) as held:
        yield held


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run"


def words(place: Path, out: Path, shard: str | None = None, *more: object) -> tuple[object, ...]:
    last = ("--shard", shard) if shard else ()
    return ("run", *(more or WORK), "--data", place / "data", "--out", out, *last)


def held(server: Forks, place: Path, out: Path, shard: str) -> Attempt:
    """A shard in the middle of its work, which has let others begin."""
    attempt = server.start(*words(place, out, shard), hold=str(out.parent), at=MIDDLE)
    assert soon((out.parent / "waits").exists), attempt.text("err")
    assert not (out / layout.HOLDER).exists()
    return attempt


def let_go(out: Path) -> None:
    (out.parent / "go").touch()


def test_others_of_its_number_work_beside_a_shard_and_nobody_else_does(
    server: Forks, place: Path, out: Path
) -> None:
    one = held(server, place, out, "1/2")
    busy = f"{out} is in use by shard 1/2, process {one.pid} on "
    for number in ("1/2", None):
        ended = server.run(*words(place, out, number))
        assert ended.code == 1
        assert ended.line.startswith(f"xaibench: {busy}")
        assert "wait for its end (--wait)" in ended.line
    waiter = server.start(*words(place, out), "--wait")
    assert waiter.says(busy), waiter.text("err")
    ended = server.run(*words(place, out, "2/2"))
    assert ended.code == 0, ended.err
    assert ": shard 2/2, 3 images, " in ended.out
    assert cli("report", out)[0] == 0
    let_go(out)
    for attempt in (one, waiter):
        ended = attempt.wait()
        assert ended.code == 0, ended.err
    same(out, place / "whole")


@pytest.mark.slow
def test_a_shard_is_refused_beside_a_run(server: Forks, place: Path, out: Path) -> None:
    one = server.start(*words(place, out), hold=str(out.parent), at=MIDDLE)
    assert soon((out.parent / "waits").exists), one.text("err")
    ended = server.run(*words(place, out, "1/2"))
    assert ended.code == 1
    assert ended.line.startswith(f"xaibench: {out} is in use by process {one.pid} on ")
    let_go(out)
    assert one.wait().code == 0
    assert server.run(*words(place, out, "1/2")).code == 0


def test_shards_that_begin_a_directory_at_once(server: Forks, place: Path, out: Path) -> None:
    """Whoever comes first makes the directory's records and RISE's masks."""
    attempts = [server.start(*words(place, out, f"{n}/2")) for n in (2, 1)]
    for attempt in attempts:
        ended = attempt.wait()
        assert ended.code == 0, ended.err
    same(out, place / "whole")


def test_groups_of_images_of_all_shards_at_once(server: Forks, place: Path, out: Path) -> None:
    more = (*GROUPS, "--subset", place / "list.txt")
    assert server.run(*words(place, out.parent / "whole", None, *more)).code == 0
    attempts = [server.start(*words(place, out, f"{n}/2", *more)) for n in (1, 2)]
    for attempt in attempts:
        ended = attempt.wait()
        assert ended.code == 0, ended.err
    same(out, out.parent / "whole")


@pytest.mark.parametrize("at", KILLS)
def test_a_killed_shard_leaves_nothing_that_blocks(
    server: Forks, place: Path, out: Path, at: int
) -> None:
    ended = server.run(*words(place, out, "1/2"), at=at, signal=signal.SIGKILL)
    assert ended.code == -signal.SIGKILL
    for number in (1, 2):
        assert server.run(*words(place, out, f"{number}/2")).code == 0
    same(out, place / "whole")


@pytest.mark.slow
def test_a_stopped_shard_says_how_it_goes_on(server: Forks, place: Path, out: Path) -> None:
    ended = server.run(*words(place, out, "1/2"), at=MIDDLE, signal=signal.SIGINT)
    assert ended.code == 130
    left = shutil.copytree(out, out.parent / "left")
    assert server.run(*words(place, left)).code == 0, "one process goes on with it"
    same(left, place / "whole")
