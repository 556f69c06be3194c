"""`report` on the scores of ImageNet: 10 methods x 12 metrics x 3 targets, 56,520 files.

Only where a row is named (`--only report`): to write the files takes some minutes.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from benchmarks import Pairs, row
from benchmarks.process import COMMAND, seconds, take
from benchmarks.setting import Setting

SCRIPT = Path(__file__).parents[1] / "synthetic_run.py"


@cache
def _written(scratch: Path, images: int) -> Path:
    """A run directory with made-up scores, written once a bench run."""
    out = scratch / f"synthetic-{images}"
    seconds([sys.executable, SCRIPT, out, images])
    return out


def _command(setting: Setting) -> list[object]:
    out = _written(setting.scratch, 1_600 if setting.quick else 50_000)
    return [*COMMAND, "report", out]


@row(
    "report-seconds",
    "report of 18 million scores",
    unit="s",
    at_most=30,
    pairs=3,
    named=True,
)
def report_seconds(setting: Setting) -> Pairs:
    """From the command to its end, on a warm disk."""
    words = _command(setting)
    seconds(words)
    while True:
        yield seconds(words), None


@row("report-memory", "memory of the same", unit="GB", at_most=3, pairs=1, named=True)
def report_memory(setting: Setting) -> Pairs:
    """The most that its processes hold together."""
    while True:
        yield take(_command(setting)).memory / 1e9, None
