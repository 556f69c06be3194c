"""Processes of one thread against one process, on a run that is forward passes."""

from __future__ import annotations

from benchmarks import Pairs, row
from benchmarks.photographs import augmented
from benchmarks.process import COMMAND, seconds
from benchmarks.setting import MODEL, Setting

BLOCKS = (2, 4)
"""Blocks of the two runs whose difference counts: of each process as many."""
BLOCK = 80


def _pairs(setting: Setting, ours: tuple[int, int], other: tuple[int, int]) -> Pairs:
    """Images a second with so many processes, each of so many threads."""
    most = BLOCKS[1] * BLOCK
    data = augmented(setting.scratch / "blocks", most)
    metric = f"insertion(rows_per_step={56 if setting.quick else 16})"

    def run(images: int, processes: int, threads: int) -> float:
        setting.emptied("processes")
        words = ("run", "--data", data, "--model", MODEL, "--device", setting.device)
        asked = ("--method", "gradcam", "--metric", metric, "--limit", images)
        how = ("--processes", processes, "--out", setting.scratch / "processes")
        first = "env", f"OMP_NUM_THREADS={threads}"
        return seconds([*first, *COMMAND, *words, *asked, *how])

    def rate(processes: int, threads: int) -> float:
        few, many = (blocks * BLOCK for blocks in BLOCKS)
        took = run(many, processes, threads) - run(few, processes, threads)
        return (many - few) / took

    run(BLOCK, *ours)  # once for the disk
    while True:
        yield rate(*ours), rate(*other)


@row(
    "processes-one-thread",
    "run on 2 processes of 1 thread",
    other="on 1 process of 1 thread",
    at_least=1.8,
    pairs=3,
    named=True,
)
def one_thread(setting: Setting) -> Pairs:
    """What a second core brings."""
    return _pairs(setting, (2, 1), (1, 1))


@row(
    "processes-two-threads",
    "run on 2 processes of 1 thread",
    other="on 1 process of 2 threads",
    pairs=3,
    named=True,
)
def two_threads(setting: Setting) -> Pairs:
    """What `--processes auto` decides by; no bound: it depends on network and processor."""
    return _pairs(setting, (2, 1), (1, 2))
