"""Where a run's processes work: so many as are asked for, each with its share of the machine."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import torch

from xaibench.errors import UsageError, XaibenchError
from xaibench.execution.plan import Plan
from xaibench.execution.processes import Place
from xaibench.stages.run import Run

Say = Callable[[str], None]


def places(run: Run, plan: Plan, say: Say) -> Sequence[Place]:
    """The places of a run's processes; no more than one where this process does all.

    Raises XaibenchError where there are fewer GPUs than asked for.
    """
    config = run.config
    if config.devices is not None:
        return _on_gpus(run, config.devices)
    if config.processes == "auto":
        from xaibench.execution.fastest import fastest

        hands = fastest(run, plan, min(_fitting(), pieces(plan)), say)
    else:
        hands = min(int(config.processes), pieces(plan))
    hands = max(1, hands)
    workers = min(config.workers, cores()) // hands
    return [Place(str(run.device), shared(hands), workers if workers > 1 else 0)] * hands


def pieces(plan: Plan) -> int:
    """How many processes can be at work at once: on units, one block at a time with --until."""
    counts = [
        len([u for part in block.parts for u in part.units if u.lacking_maps or u.lacking_scores])
        for block in plan.blocks
        if block.total
    ]
    some = [max(1, count) for count in counts]
    return max(some, default=0) if plan.stops else sum(some)


def _fitting() -> int:
    """As many processes as there are cores, and as memory holds of this one's size."""
    most = cores()
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        (free,) = (int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
        most = min(most, free // max(1, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
    return most


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shared(hands: int) -> int:
    """Threads for each of so many processes: no more than the cores, or than this one has."""
    return max(1, min(torch.get_num_threads(), cores() // hands))


def _on_gpus(run: Run, asked: str | int) -> Sequence[Place]:
    if run.device.type != "cuda":
        raise XaibenchError(f"devices {asked}: no GPU is used here; use --processes.")
    there = torch.cuda.device_count()
    count = there if asked == "all" else int(asked)
    if count > there:
        raise XaibenchError(f"devices {asked}: {there} CUDA devices here; give at most that.")
    if run.config.device not in ("auto", "cuda") and count > 1:
        raise UsageError(f"device {run.config.device} is one GPU: drop it, or --devices {asked}.")
    share = max(1, cores() // count)
    workers = min(run.config.workers, share) if run.config.workers else 0
    return [Place(f"cuda:{number}", share, workers) for number in range(count)]
