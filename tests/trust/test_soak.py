"""Two thousand images: memory and handles stay flat, every row is there once, also after a kill."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forks import Attempt, Forks, forks, soon
from networks import THOUSAND
from PIL import Image

import xaibench

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at /proc"),
]
IMAGES, BLOCK = 2000, 80
BLOCKS = IMAGES // BLOCK
METRICS = ("sparseness", "average_drop")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of 24 x 24 pixels in folders of their class."""
    folder = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    for number in range(IMAGES):
        place = folder / str(number % 10)
        place.mkdir(exist_ok=True)
        pixels = draw.integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number:05d}.png")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    place = tmp_path_factory.mktemp("soak")
    words = ("run", "--model", THOUSAND, "--metric", ",".join(METRICS), "--limit", 2)
    with forks(place / "log", *words, "--workers", 0, "--out", place / "run") as held:
        yield held


def blocks(out: Path) -> int:
    """How many blocks have all scores."""
    folder = f"scores/method=gradcam/*/*/*/metric={METRICS[-1]}/*.parquet"
    return len(list(out.glob(folder)))


def held(process: int) -> tuple[int, int]:
    """Memory in MiB, and open handles."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    handles = len(list(Path(f"/proc/{process}/fd").iterdir()))
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20, handles


def watched(attempt: Attempt, out: Path) -> dict[int, tuple[int, int]]:
    """The most that a process held at each number of finished blocks."""
    found: dict[int, tuple[int, int]] = {}
    while True:
        try:
            now, done = held(attempt.pid), blocks(out)
        except (FileNotFoundError, ProcessLookupError):
            break
        if not now[0]:  # it has ended
            break
        before = found.get(done, (0, 0))
        found[done] = (max(now[0], before[0]), max(now[1], before[1]))
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("workers", [0, 2])
def test_memory_and_handles_are_flat_and_rows_exact(
    server: Forks, data: Path, tmp_path: Path, workers: int
) -> None:
    """The inputs of a block are 3.8 MiB: kept, those of 20 blocks would be 75 MiB.

    So the bound is 40 MiB above the most that was held up to the fifth block, by which everything
    is loaded and every buffer made (it was 1 MiB less in the end); and three handles more, for
    files at hand (it was one less).
    """
    words = ("run", "--model", THOUSAND, "--data", data, "--target", "ground_truth", "--workers")
    words = (*words, workers, "--metric", ",".join(METRICS), "--out")
    attempt = server.start(*words, tmp_path / "run")
    found = watched(attempt, tmp_path / "run")
    assert attempt.wait().code == 0
    early = [value for done, value in found.items() if done <= 5]
    late = [value for done, value in found.items() if done > BLOCKS - 5]
    assert early
    assert late
    first, last = (tuple(map(max, zip(*part, strict=True))) for part in (early, late))
    print(f"MiB and handles: {first} up to block 5, {last} at the end")
    assert last[0] <= first[0] + 40
    assert last[1] <= first[1] + 3
    frame = xaibench.load_scores(tmp_path / "run")
    assert len(frame) == IMAGES * len(METRICS)
    assert not frame.duplicated(["image", "metric"]).any()
    assert np.isfinite(frame["value"]).all()

    out = tmp_path / "killed"
    for share in (1 / 3, 2 / 3):
        attempt = server.start(*words, out)
        assert soon(lambda share=share: blocks(out) >= share * BLOCKS)  # type: ignore[misc]
        attempt.send(signal.SIGKILL)
        assert attempt.wait().code == -signal.SIGKILL
    assert blocks(out) < BLOCKS
    assert server.run(*words, out).code == 0
    pd.testing.assert_frame_equal(xaibench.load_scores(out), frame, check_exact=True)
    assert len(pd.read_parquet(out / "scores")) == len(frame)
