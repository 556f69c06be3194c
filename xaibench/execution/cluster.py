"""The Ray cluster that a run works on: one that is there, or its own on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from xaibench.errors import UsageError, XaibenchError, reason

STORE = 100 * 2**20
"""Bytes of Ray's object store on this machine: no image goes through it, only blocks' names."""
SETTINGS = {
    "RAY_prestart_worker_first_driver": "0",  # idle workers, of which no actor is made
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # or it says what a later version will do
}
SECONDS = 10.0
"""How long a cluster has to answer, and processes of our own one to end by themselves."""


def imported() -> Any:
    """The package `ray`, told to start no more than it has to, and to keep things to itself."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    import ray

    return ray


@contextmanager
def connected(address: str | None, cores: int) -> Iterator[bool]:
    """While open, this process is a driver of a cluster; yields whether that is its own.

    address: of one that is there, or 'auto'; None: the one in RAY_ADDRESS, or one that this
    process has joined already; else one is started for `cores` cores and ended afterwards. Raises
    XaibenchError where there is none.
    """
    ray = imported()
    address = address or os.environ.get("RAY_ADDRESS")
    if address and "://" in address:
        raise UsageError(
            f"ray-address {address} is that of Ray's client: start the command on a machine of the "
            "cluster, with --ray-address auto."
        )
    if ray.is_initialized():
        yield False
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address:
        _reached(os.environ.get("RAY_ADDRESS", address) if address == "auto" else address)
        with _kept_to_itself():
            try:
                ray.init(address, **quiet)
            except Exception as error:
                raise XaibenchError(
                    f"no Ray cluster can be joined at {address} ({reason(error)}): start one "
                    "(ray start --head), or leave out --ray-address."
                ) from None
        try:
            yield False
        finally:
            ray.shutdown()
        return
    folder = tempfile.mkdtemp(prefix="xaibench-ray-")  # short: it holds sockets
    before, started = set(psutil.Process().children()), list[psutil.Process]()
    try:
        with _kept_to_itself():
            try:
                ray.init(
                    "local",
                    num_cpus=max(cores, os.cpu_count() or 1),
                    object_store_memory=STORE,
                    include_dashboard=False,
                    _temp_dir=folder,
                    **quiet,
                )
            except Exception as error:
                raise XaibenchError(
                    f"Ray cannot be started here ({reason(error)}): use --executor local."
                ) from None
            finally:
                started += set(psutil.Process().children()) - before
        yield True
    finally:
        below = [one for first in started for one in _with_children(first)]
        ray.shutdown()
        _ended(below)
        shutil.rmtree(folder, ignore_errors=True)


def _reached(address: str) -> None:
    """XaibenchError where nothing answers at HOST:PORT, for which Ray would wait many minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):  # `auto`: Ray finds it out
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS).close()
    except (OSError, OverflowError) as error:
        raise XaibenchError(
            f"no Ray cluster answers at {address} ({reason(error)}): start one (ray start --head), "
            "or check --ray-address."
        ) from None


@contextmanager
def _kept_to_itself() -> Iterator[None]:
    """While Ray is begun: it keeps its hands off SIGTERM, and off stdout when it is joined to us.

    What it prints of workers and machines that died comes in spite of `log_to_driver=False`; a run
    says it in a line of its own.
    """
    main = threading.current_thread() is threading.main_thread()
    held = signal.getsignal(signal.SIGTERM) if main else None
    from ray._private import worker

    loud = getattr(worker, "listen_error_messages", None)
    if loud:
        worker.listen_error_messages = lambda *_: None
    try:
        yield
    finally:
        if loud:
            worker.listen_error_messages = loud
        if main:
            signal.signal(signal.SIGTERM, held)


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def _ended(processes: list[psutil.Process]) -> None:
    """Wait for the processes of a cluster that was ended; end those that stay."""
    _, left = psutil.wait_procs(processes, timeout=SECONDS)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=SECONDS)
