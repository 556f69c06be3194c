"""From a command to its first line, or to its first forward pass: seconds on a warm disk."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks import Pairs, row
from benchmarks.process import COMMAND, seconds
from benchmarks.setting import Setting

FIRST = """
import os, sys, time
from xaibench import cli, meter

def passed(logits, rows):
    print("passed", time.time(), flush=True)
    os._exit(0)

meter.passed = passed
sys.argv[0] = "xaibench"
cli.main()
"""
"""Ends where the network has answered for the first time: nothing else calls `meter.passed`."""


def _of(*words: str) -> Pairs:
    seconds([*COMMAND, *words])  # once for the disk
    while True:
        yield seconds([*COMMAND, *words]), None


@row("help", "--help", unit="s", at_most=0.5)
def help_(_setting: Setting) -> Pairs:
    """The overview of the commands."""
    return _of("--help")


@row("list", "list", unit="s", at_most=0.5)
def list_(_setting: Setting) -> Pairs:
    """All that is registered."""
    return _of("list")


@row(
    "first-forward", "run of the embedded default to the end of its first pass", unit="s", at_most=3
)
def first_forward(setting: Setting) -> Pairs:
    """A new directory each time."""
    words = [sys.executable, "-c", FIRST, "run", "--device", str(setting.device), "--out"]

    def once() -> float:
        setting.emptied("first")
        begun = time.time()
        done = subprocess.run(
            [*words, str(setting.scratch / "first")], capture_output=True, text=True, check=True
        )
        return float(done.stdout.split("passed ")[1].split()[0]) - begun

    once()
    while True:
        yield once(), None
