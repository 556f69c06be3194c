"""A run that is killed at any moment leaves nothing that is read as what it is not, and goes on."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forked import KEYS, METHODS, RUN, WORDS, assert_among, assert_same
from forks import Forks
from helpers import cli

import xaibench

Make = Callable[[Path], object]

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at /proc")


def assert_healthy(out: Path) -> None:
    """The doctor removes what a kill left, and then finds nothing."""
    assert cli("doctor", out, "--fix")[0] == 0
    assert not [path for path in out.rglob(".tmp-*")]
    assert cli("doctor", out)[:1] == (0,)


def at_each_change(
    server: Forks, place: Path, make: Make, words: tuple[object, ...], every: int = 1
) -> Iterator[Path]:
    """Directories as a kill before each change that a command makes left them."""
    for at in range(1, 1000, every):
        out = place / f"killed-{at}"
        make(out)
        ended = server.run(*words, out, at=at, signal=signal.SIGKILL)
        if ended.code == 0:
            assert at > 9, "hardly any change was met"
            return
        assert ended.code == -signal.SIGKILL
        yield out
        shutil.rmtree(out)
    raise AssertionError("it never ends")


def nothing(out: Path) -> None:
    pass


def test_a_kill_before_each_change_of_a_new_run(server: Forks, base: Path, tmp_path: Path) -> None:
    for out in at_each_change(server, tmp_path, nothing, RUN):
        assert_among(out, base)
        assert server.run(*RUN, out).code == 0
        assert_same(out, base, *METHODS)
        assert_healthy(out)


@pytest.mark.slow
def test_killed_again_and_again_it_comes_to_an_end(
    server: Forks, base: Path, tmp_path: Path
) -> None:
    """Each attempt writes its own records, and a thing more; signals in turn."""
    out, kinds = tmp_path / "run", (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
    records = server.run(*RUN, _copy(base, tmp_path / "copy")).changes
    print(f"{records} changes where nothing is left to do")
    assert records < 16
    for attempt in range(60):
        number = kinds[attempt % 3]
        ended = server.run(*RUN, out, at=records + 2, signal=number)
        if ended.code == 0:
            break
        assert ended.code == (130 if number == signal.SIGINT else -number)
        assert_among(out, base)
    assert 5 < attempt < 59
    assert_same(out, base, *METHODS)
    assert_healthy(out)


OLD = """
def dark(ctx, batch, state):
    from xaibench.types import Explanation
    return Explanation(batch.images.amin(1)[:, None, ::8, ::8])

def peak(scoring):
    raise ValueError("not yet")
"""
NEW = OLD.replace("amin(1)", "amax(1)").replace(
    'raise ValueError("not yet")', "return scoring.maps[:, 20, 20].double()"
)


def test_a_kill_before_each_change_while_stale_results_give_way(
    server: Forks, tmp_path: Path
) -> None:
    """Two of three images again, after an edit of the method and of a metric that failed."""
    file = tmp_path / "mine.py"
    words = ("run", *WORDS, "--metric", f"file:{file}:peak", "--method", f"file:{file}:dark")
    three, two = (*words, "--limit", 3, "--out"), (*words, "--limit", 2, "--out")
    file.write_text(OLD)
    assert server.run(*three, tmp_path / "old").code == 1
    file.write_text(NEW)
    assert server.run(*three, tmp_path / "new").code == 0
    old, new = tmp_path / "old", tmp_path / "new"
    for out in at_each_change(server, tmp_path, lambda out: _copy(old, out), two, 2):
        held = xaibench.load_scores(out)
        assert not held.duplicated(KEYS).any()
        assert server.run(*three, out).code == 0
        assert_same(out, new, f"file:{file}:dark")
        assert_healthy(out)


def _copy(run: Path, out: Path) -> Path:
    return Path(shutil.copytree(run, out))


@pytest.fixture(scope="module")
def seed(server: Forks, place: Path) -> Path:
    """A run of another seed, with a user's own file in it."""
    out = place / "seed"
    assert server.run(*RUN, out, "--seed", 1).code == 0
    (out / "nohup.out").write_text("mine")
    return out


@pytest.mark.slow
def test_a_kill_before_each_change_of_an_overwrite(
    server: Forks, base: Path, seed: Path, tmp_path: Path
) -> None:
    """Rows of both runs never stand together, and the same command goes on."""
    words = ("run", "--overwrite", *RUN[1:])
    for out in at_each_change(server, tmp_path, lambda out: _copy(seed, out), words, every=2):
        assert_among(out, base, seed)
        if any(not path.name.startswith(".") for path in out.rglob("*.json")):
            assert (out / "manifests" / "identity.json").exists(), "which goes last and comes first"
        ended = server.run(*RUN, out)
        if ended.code:
            assert "holds another run" in ended.line
            assert server.run(*words, out).code == 0
        assert_same(out, base, *METHODS)
        assert (out / "nohup.out").read_text() == "mine"


@pytest.mark.parametrize("words", [("clean", "--maps", "--yes"), ("doctor", "--fix")])
def test_a_kill_before_each_change_of_what_deletes(
    server: Forks, base: Path, seed: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    def make(out: Path) -> None:
        _copy(base, out)
        for name in ("predictions", "maps", "state"):  # foreign
            shutil.rmtree(out / name)
            shutil.copytree(seed / name, out / name)

    for at in range(1, 20):
        out = tmp_path / f"killed-{at}"
        make(out)
        ended = server.run(words[0], out, *words[1:], at=at, signal=signal.SIGKILL)
        assert server.run(*RUN, out).code == 0
        assert server.run(*RUN, out, "--metric", "effective_complexity").code == 0
        held = xaibench.load_scores(out)
        of = held[held["metric"] != "effective_complexity"].reset_index(drop=True)
        pd.testing.assert_frame_equal(of, xaibench.load_scores(base), check_exact=True)
        if ended.code == 0:
            assert at > 3
            return
    raise AssertionError("it never ends")


def test_a_kill_before_each_change_leaves_no_ids_of_other_normalised_maps(
    server: Forks, base: Path, tmp_path: Path
) -> None:
    grown, out = Path(shutil.copytree(base, tmp_path / "grown")), tmp_path / "run"
    assert server.run("normalize", grown).code == 0
    assert server.run(*RUN, grown, "--limit", 4).code == 0
    for at in range(1, 40):
        shutil.copytree(grown, out)
        ended = server.run("normalize", out, at=at, signal=signal.SIGKILL)
        for ids in out.glob("normalized/*/*/*/[!.]*.json"):
            assert len(json.loads(ids.read_text())) == len(np.load(ids.with_suffix(".npy")))
        if ended.code == 0:
            break
        shutil.rmtree(out)
    assert at > 8


@pytest.mark.slow
def test_a_kill_before_some_changes_of_an_ablation(server: Forks, tmp_path: Path) -> None:
    words = ("ablate", *WORDS[:-1], "average_drop", "--method", "rise(n_masks=16)", "--limit", 3)
    words = (*words, "--switch", "probability", "--out")
    whole = tmp_path / "whole"
    assert server.run(*words, whole).code == 0
    for out in at_each_change(server, tmp_path, nothing, words, 7):
        assert server.run(*words, out).code == 0
        for run in ("published", "published+probability=float64"):
            assert_same(out / run, whole / run, "rise(n_masks=16)")
            assert_healthy(out / run)
        for page in (path for path in whole.iterdir() if path.is_file()):
            assert (out / page.name).read_text() == page.read_text()
