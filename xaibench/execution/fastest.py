"""`--processes auto`: one process with all threads, or one a core, whichever forwards more here.

Measured in a few seconds where a run is long enough for that to pay, and kept in the user's cache
by device, network, precision, batch size and library versions.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from xaibench.config.files import digest
from xaibench.errors import XaibenchError
from xaibench.execution.calibrate import cache_folder
from xaibench.execution.parcel import packed, taken_up
from xaibench.execution.plan import Plan
from xaibench.execution.processes import begun, kill
from xaibench.execution.weights import weights
from xaibench.models.device import device_name
from xaibench.stages.run import Run
from xaibench.store.atomic import read_json, write_json
from xaibench.store.manifest import versions

SECONDS, ROUNDS = 0.8, 3
"""How long each of the two is measured at a time, and how often."""
WORTH = 60.0
"""Seconds of work from which on processes are thought of: to start them takes some too."""
Say = Callable[[str], None]


def fastest(run: Run, plan: Plan, most: int, say: Say) -> int:
    """How many processes, of at most so many, do a plan fastest; says so in a line."""
    if most < 2 or run.device.type != "cpu" or run.network is not None:
        return 1
    path, held = _known(run, most)
    rate = held["one"] if held else pace(run)
    weigh = weights(run)
    seconds = sum(n * weigh(work) for work, n in plan.works.items()) / rate
    if seconds < WORTH:
        say(f"processes auto: one, since what is to do takes it about {seconds:.0f} s")
        return 1
    if not held:
        held = _measured(run, most)
        with suppress(XaibenchError, OSError):
            write_json(path, held)
    hands = most if held["many"] > held["one"] else 1
    say(
        f"processes auto: {hands}: {most} of one thread forward {held['many']:.0f} inputs/s here, "
        f"one of {torch.get_num_threads()} threads {held['one']:.0f}"
    )
    return hands


def _known(run: Run, most: int) -> tuple[Path, dict[str, float]]:
    """Where what was measured is kept, and what is there."""
    network = run.classifier
    of = {
        "device": device_name(run.device),
        "processes": most,
        "network": [network.name, network.weights_sha256],
        "input": network.input.crop,
        "dtype": network.dtype,
        "compiled": network.compiled,
        "batch": run.batch_size,
        "versions": versions(),
    }
    path = cache_folder() / f"processes-{digest(of)[:24]}.json"
    with suppress(XaibenchError, KeyError, TypeError, ValueError):
        held = read_json(path)
        found = {name: float(held[name]) for name in ("one", "many")}
        if min(found.values()) > 0:
            return path, found
    return path, {}


def pace(run: Run, seconds: float = SECONDS) -> float:
    """Inputs a second that this process forwards."""
    rows, side = run.batch_size, run.classifier.input.crop
    images = torch.randn(rows, 3, side, side, generator=torch.Generator().manual_seed(0))
    ctx = run.context
    list(ctx.stream([images]))
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        list(ctx.stream([images]))
        count += rows
    return count / (time.perf_counter() - began)


def _measured(run: Run, most: int) -> dict[str, float]:
    """The pace of one process and of many together, medians of interleaved rounds."""
    with packed(run) as path, _others(run, path, most) as others:
        pairs = [(sum(_together(others)), pace(run)) for _ in range(ROUNDS)]
    many, one = (statistics.median(rates) for rates in zip(*pairs, strict=True))
    return {"one": one, "many": many}


def _together(others: list[Connection]) -> Iterator[float]:
    for one in others:
        one.send_bytes(b"go")
    for one in others:
        yield one.recv()


@contextmanager
def _others(run: Run, path: str, count: int) -> Iterator[list[Connection]]:
    """So many processes of one thread that wait to be measured."""
    from xaibench.stages.block import Task

    task = Task(run.config.model_copy(update={"workers": 0}), "measured")
    pipes: list[Connection] = []
    processes: list[Any] = []
    try:
        for number in range(count):
            mine, theirs = Pipe()
            pipes.append(mine)
            processes.append(begun(_pace, (theirs, task, path), f"xaibench-{number + 1}", 1))
            theirs.close()
        for one in pipes:
            one.recv()
        yield pipes
    except (EOFError, OSError) as error:
        raise XaibenchError(
            f"processes cannot be measured ({error}): give --processes a number."
        ) from None
    finally:
        for process in processes:
            kill(process)
        for one in pipes:
            one.close()


def _pace(connection: Connection, task: Any, path: str) -> None:
    """In a new process: say how fast it is, whenever asked."""
    torch.set_num_threads(1)
    run = taken_up(task, path, in_memory=False)
    pace(run, 0.0)
    connection.send(True)
    with suppress(EOFError, OSError):
        while connection.recv_bytes():
            connection.send(pace(run))
    os._exit(0)
