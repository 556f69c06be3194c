"""Whatever was done to a run directory, in any order: a last run gives what a fresh one does."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forks import Forks, forks
from networks import THOUSAND

import xaibench

pytestmark = pytest.mark.slow

WALKS = int(os.environ.get("XAIBENCH_TEST_WALKS", "40"))
"""How many walks are tried, by the seeds from XAIBENCH_TEST_SEED on."""
FIRST = int(os.environ.get("XAIBENCH_TEST_SEED", "0"))
STEPS = 9
MODEL = ("--model", THOUSAND, "--workers", 0)
MINE = """
from xaibench.types import Explanation

def dark(ctx, batch, state, *, step: int = 8):
    maps = batch.images.{how}(1)[:, None, ::step, ::step]
    return Explanation(maps.expand(-1, batch.targets.shape[1], -1, -1))

def corner(scoring):
    {first}return scoring.maps[:, {row}, 20].double()
"""
HOWS = ("amin", "amax")
FIRSTS = ("", "", "raise ValueError('not now')\n    ")


class Walk:
    """A run directory, a file of the user's own, and everything that can be done to them."""

    def __init__(self, server: Forks, folder: Path, seed: int) -> None:
        self.server, self.out, self.file = server, folder / "run", folder / "mine.py"
        self.draw = random.Random(seed)
        self.done: list[str] = []
        self.file.write_text(MINE.format(how="amin", row=3, first=""))
        self.methods = ("gradcam", "rise(n_masks=16)", f"file:{self.file}:dark")
        self.metrics = ("sparseness", "average_drop", f"file:{self.file}:corner")

    def some(self, names: tuple[str, ...]) -> str:
        return ",".join(self.draw.sample(names, self.draw.randint(1, len(names))))

    def words(self) -> tuple[object, ...]:
        more: list[object] = ["--method", self.some(self.methods), "--metric"]
        more += [self.some(self.metrics), "--limit", self.draw.randint(1, 6)]
        if self.draw.random() < 0.2:
            more += ["--target", "predicted,ground_truth"]
        if self.draw.random() < 0.2:
            more += ["--keep-stale"]
        if self.draw.random() < 0.1:
            more += ["--overwrite"]
        stage = self.draw.choice(["run", "run", "run", "explain"])
        if stage == "explain":
            at = more.index("--metric")
            del more[at : at + 2]
        return (stage, *MODEL, *more, "--out", self.out)

    def run(self) -> None:
        ended = self.server.run(*self.words())
        assert ended.code == 0 or ended.line

    def kill(self) -> None:
        number = self.draw.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        self.server.run(*self.words(), at=self.draw.randint(1, 40), signal=number)

    def kill_at_some_time(self) -> None:
        attempt = self.server.start(*self.words())
        time.sleep(self.draw.uniform(0.1, 0.8))
        attempt.send(signal.SIGKILL)
        attempt.wait()

    def fill(self) -> None:
        ended = self.server.run(*self.words(), at=self.draw.randint(1, 60), errno="ENOSPC")
        assert ended.code == 0 or ended.line

    def harm(self) -> None:
        """A file that a run made is emptied, cut, flipped, gone, or another one in its place."""
        files = sorted(path for path in self.out.rglob("*") if path.is_file())
        files = [path for path in files if not path.name.startswith(".")]
        if not files:
            return
        path, other = self.draw.choice(files), self.draw.choice(files)
        content = bytearray(path.read_bytes())
        kind = self.draw.choice(["empty", "cut", "flip", "gone", "other"])
        self.done.append(f"{kind} {path.relative_to(self.out)}")
        if kind == "gone":
            path.unlink()
        elif kind == "other":
            shutil.copyfile(other, path) if path != other else None
        else:
            if kind == "flip" and content:
                content[self.draw.randrange(len(content))] ^= 1 << self.draw.randrange(8)
            path.write_bytes({"empty": b"", "cut": content[: len(content) // 2]}.get(kind, content))

    def edit(self) -> None:
        how, row = self.draw.choice(HOWS), self.draw.choice([3, 30])
        self.file.write_text(MINE.format(how=how, row=row, first=self.draw.choice(FIRSTS)))

    def clean(self) -> None:
        self.server.run("clean", self.out, "--maps", "--yes")

    def fix(self) -> None:
        ended = self.server.run("doctor", self.out, "--fix")
        assert ended.code == 0 or "is not a run directory" in ended.line

    def go(self) -> None:
        steps: list[Callable[[], None]] = [self.run, self.run, self.kill, self.kill_at_some_time]
        steps += [self.fill, self.harm, self.harm, self.edit, self.clean, self.fix]
        self.run()
        for _ in range(STEPS):
            step = self.draw.choice(steps)
            self.done.append(step.__name__)
            step()
        self.file.write_text(MINE.format(how="amax", row=30, first=""))

    def last(self, out: Path) -> list[str]:
        """A run of everything; what it said."""
        words = ("run", *MODEL, "--method", ",".join(self.methods), "--limit", 6)
        words += ("--metric", ",".join(self.metrics), "--target", "predicted,ground_truth")
        ended = self.server.run(*words, "--out", out)
        if ended.code and "is damaged: delete it" in ended.line:  # a record of the user's files
            self.done.append(ended.line)
            assert "/manifests/" in ended.line
            self.fix()
            ended = self.server.run(*words, "--out", out)
        if ended.code and "or --overwrite to start it anew" in ended.line:  # a harmed identity
            self.done.append(ended.line)
            ended = self.server.run(*words, "--overwrite", "--out", out)
        assert ended.code == 0, ended.err
        return ended.out.splitlines()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    place = tmp_path_factory.mktemp("walks")
    words = ("run", *MODEL, "--method", "gradcam,rise(n_masks=16)", "--limit", 2)
    with forks(place / "log", *words, "--metric", "average_drop", "--out", place / "run") as held:
        yield held


@pytest.mark.parametrize("seed", range(FIRST, FIRST + WALKS))
def test_the_last_run_gives_what_a_fresh_one_does(
    server: Forks, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    folder = tmp_path_factory.mktemp(f"walk-{seed}")
    walk = Walk(server, folder, seed)
    try:
        walk.go()
        walk.last(walk.out)
        walk.last(folder / "fresh")
        pd.testing.assert_frame_equal(
            xaibench.load_scores(walk.out), xaibench.load_scores(folder / "fresh"), check_exact=True
        )
        for method in walk.methods:
            for target in ("predicted", "ground_truth"):
                ids, maps = xaibench.load_maps(folder / "fresh", method, target)
                have, held = xaibench.load_maps(walk.out, method, target)
                assert have == [image for image in ids if image in have], "scored ones may be gone"
                rows = [ids.index(image) for image in have]
                assert np.array_equal(held, maps[rows])
        ended = server.run("doctor", walk.out, "--fix")
        assert ended.code == 0
        assert server.run("doctor", walk.out).code == 0
        assert "nothing left to compute" in walk.last(walk.out)[-1]
    except BaseException:
        print(f"seed {seed}: {walk.done}")
        raise
    shutil.rmtree(folder)
