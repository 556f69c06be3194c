"""A run that is killed at any moment leaves nothing that is read as what it is not, and goes on."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forks import Forks, forks, soon
from helpers import cli
from networks import THOUSAND

import xaibench
from xaibench.store import health

METHODS = ("gradcam", "rise(n_masks=16)")
WORDS = ("--model", THOUSAND, "--workers", 0, "--metric", "sparseness,average_drop")
RUN = ("run", *WORDS, "--method", ",".join(METHODS), "--limit", 3, "--out")
KEYS = ["method", "target", "transform", "variation", "metric", "image"]
Make = Callable[[Path], object]

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at /proc")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kills")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Forks]:
    with forks(place / "log", *RUN, place / "run") as held:
        yield held


@pytest.fixture(scope="module")
def base(server: Forks, place: Path) -> Path:
    """A run that nothing interrupted."""
    return place / "run"


def assert_same(out: Path, base: Path, *methods: str) -> None:
    """Every row, map and prediction to the bit."""
    pd.testing.assert_frame_equal(
        xaibench.load_scores(out), xaibench.load_scores(base), check_exact=True
    )
    for method in methods:
        ids, maps = xaibench.load_maps(out, method)
        then, were = xaibench.load_maps(base, method)
        assert ids == then
        assert np.array_equal(maps, were)
    pd.testing.assert_frame_equal(
        xaibench.load_predictions(out), xaibench.load_predictions(base), check_exact=True
    )


def assert_among(out: Path, *runs: Path) -> None:
    """What can be read of an unfinished run are rows of one of the runs, each once."""
    if not [*out.glob("scores/*/*/*/*/*/[!.]*.parquet")]:
        return
    held = xaibench.load_scores(out).set_index(KEYS)
    assert held.index.is_unique
    held = held[held["status"] != "failed"]
    differences = []
    for run in runs:
        frame = xaibench.load_scores(run).set_index(KEYS)
        known = frame.reindex(held.index)
        try:
            pd.testing.assert_frame_equal(held, known, check_exact=True)
        except AssertionError as error:
            differences.append(str(error))
        else:
            return
    raise AssertionError("\n".join(differences))


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


def survivors(session: int) -> list[str]:
    """Processes of a session that have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, *rest = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(rest[2]) == session and state != "Z":
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except (OSError, IndexError):
            continue  # it ended meanwhile
    return found


def assert_gone(session: int) -> None:
    assert soon(lambda: not survivors(session)), survivors(session)


def shared(process: int) -> list[Path]:
    """What a process has in shared memory."""
    names = (f"xaibench-{process}-*", f"sem.*-{process}-*", f"psm_*{process}*")
    return [path for name in names for path in Path("/dev/shm").glob(name)]


ALL = ("run", *WORDS[:2], "--workers", 2, "--method", "gradcam", "--metric", "sparseness", "--out")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_kill_while_workers_decode(server: Forks, tmp_path: Path, number: signal.Signals) -> None:
    """Twice in a row; neither workers nor shared memory stay."""
    out = tmp_path / "run"
    for _ in range(2):
        attempt = server.start(*ALL, out)
        assert soon(lambda pid=attempt.pid: shared(pid))  # type: ignore[misc]
        attempt.send(number)
        assert attempt.wait().code == (130 if number == signal.SIGINT else -number)
        assert_gone(attempt.pid)
        if number == signal.SIGINT:
            assert shared(attempt.pid) == []
        cli("doctor", out, "--fix")
        assert shared(attempt.pid) == []
    assert server.run(*ALL, out).code == 0
    assert server.run(*ALL[:3], "--workers", 0, *ALL[5:], tmp_path / "other").code == 0
    assert_same(out, tmp_path / "other", "gradcam")


def test_the_doctor_leaves_what_others_have_in_shared_memory(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of the living, of other people, and of a dead process: the last alone is found."""
    monkeypatch.setattr(health, "SHARED_MEMORY", tmp_path)
    dead = subprocess.Popen(["true"])
    dead.wait()
    names = [f"xaibench-{dead.pid}-a", f"xaibench-{os.getpid()}-b", "xaibench-c", "other"]
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.touch()
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 12345)
        assert cli("doctor", base, "--fix")[1].count(str(tmp_path)) == 0
    code, said, _ = cli("doctor", base)
    assert (code, f"left over: {paths[0]}\n" in said, said.count(str(tmp_path))) == (1, True, 1)
    assert cli("doctor", base, "--fix")[0] == 0
    assert [path for path in paths if path.exists()] == paths[1:]


@pytest.mark.slow
def test_twenty_random_moments_of_the_command_itself(base: Path, tmp_path: Path) -> None:
    """`python -m xaibench run` on workers: each directory is killed twice, then finished."""
    draw = random.Random(0)
    words = [sys.executable, "-m", "xaibench", *map(str, ALL)]
    started = time.monotonic()
    assert subprocess.run([*words, str(tmp_path / "whole")], check=False).returncode == 0
    length = time.monotonic() - started
    moments = []
    for trial in range(10):
        out = tmp_path / f"run-{trial}"
        for _ in range(2):
            number = draw.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
            process = subprocess.Popen([*words, str(out)], start_new_session=True)
            moment = draw.uniform(0.2, 1.05) * length
            moments.append((number.name, round(moment, 2)))
            time.sleep(moment)
            process.send_signal(number)
            code = process.wait(60)
            assert code in (0, 130, -number), moments
            assert_gone(process.pid)
            cli("doctor", out, "--fix")
            assert shared(process.pid) == []
            if (out / "manifests").is_dir():
                assert_among(out, tmp_path / "whole")
        assert subprocess.run([*words, str(out)], check=False).returncode == 0
        assert_same(out, tmp_path / "whole", "gradcam")
