"""A network handed to other processes: loaded once, its weights mapped by all of them.

It lies in a file of memory without a name, which goes when the process that holds it does, however
that ends. A process maps it privately: pages are shared until somebody writes to one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import torch

from xaibench.models.classifier import TorchClassifier
from xaibench.stages.block import Task, opened
from xaibench.stages.run import Run


@contextmanager
def packed(run: Run) -> Iterator[str]:
    """The path under which other processes find a run's network while this is open.

    '' where it cannot be handed over, since it cannot be pickled or the system has no such files,
    or need not: nothing has needed it yet, or each loads it onto a GPU of its own.
    """
    loaded = "compiling" in vars(run) and run.device.type == "cpu"
    if not (loaded or run.network) or not hasattr(os, "memfd_create"):
        yield ""
        return
    file = os.memfd_create("xaibench-network")
    try:
        yield f"/proc/{os.getpid()}/fd/{file}" if _pack(run.classifier, file) else ""
    finally:
        os.close(file)


def _pack(network: TorchClassifier, file: int) -> bool:
    """Write a network, with what passes without gradients go through if possible; whether it was.

    Code that was compiled for this process cannot be handed over.
    """
    bare = replace(network)  # without what it has found out
    for ready in (None if network.compiled else network.inference, None):
        with suppress(Exception), os.fdopen(file, "wb", closefd=False) as out:
            out.seek(0)
            out.truncate()
            torch.save((bare, ready), out)
            return True
    return False


def taken_up(task: Task, path: str, in_memory: bool) -> Run:
    """A run in another process, with the network at a path.

    in_memory: whether the run's is one that no configuration names. Where the network cannot be
    read, as with a class of a user's file that this process has not imported, the run loads its
    own. Raises what opening a run raises.
    """
    network = ready = None
    with suppress(Exception):
        if path:
            network, ready = torch.load(path, map_location="cpu", mmap=True, weights_only=False)
    run = opened(replace(task, network=network) if in_memory else task)
    if network is not None and run.device.type == "cpu":
        vars(run)["compiling"] = (network, "")
        if ready is not None:
            vars(network)["inference"] = ready
    return run
