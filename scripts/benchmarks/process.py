"""What a command takes: seconds, memory, open files. Of it and all processes that it begins."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

EVERY = 0.05
COMMAND = (sys.executable, "-m", "xaibench")


@dataclass(frozen=True)
class Taken:
    """seconds: wall time. memory: the most bytes held at once, shared ones once (PSS).

    handles: the most files, pipes and sockets open at once.
    """

    seconds: float
    memory: int
    handles: int


def take(words: Sequence[object], env: Mapping[str, str] | None = None) -> Taken:
    """Run a command to its end; RuntimeError with its last words where it fails."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    memory = handles = 0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        with suppress(psutil.Error):
            now = [_held(one) for one in (watched, *watched.children(recursive=True))]
            memory = max(memory, sum(held for held, _ in now))
            handles = max(handles, sum(count for _, count in now))
        time.sleep(EVERY)
    seconds = time.perf_counter() - begun
    said = process.stderr.read() if process.stderr else ""
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: {said[-500:]}")
    return Taken(seconds, memory, handles)


def _held(process: psutil.Process) -> tuple[int, int]:
    """Bytes and handles of one process; none of one that has ended."""
    with suppress(psutil.Error):
        return process.memory_full_info().pss, process.num_fds()
    return 0, 0


def seconds(words: Sequence[object]) -> float:
    """Wall time of a command that nobody watches."""
    begun = time.perf_counter()
    subprocess.run([str(word) for word in words], check=True, capture_output=True)
    return time.perf_counter() - begun
