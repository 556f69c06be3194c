"""Worker processes for decoding photographs and cutting superpixels: one pool a process.

Imports nothing heavy: a worker loads what the work that it gets needs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

from xaibench.errors import XaibenchError

T = TypeVar("T")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_LOCK = threading.Lock()


@cache
def _pool(workers: int) -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    return ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start)


def _start() -> None:
    """In a new worker: one thread of its own, deaf to Ctrl-C, gone when its parent is."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextmanager
def _spawning() -> Iterator[None]:
    """While worker processes may be started: hide what they must not inherit."""
    # A spawned worker would run the caller's script again; it needs nothing of it. And until it
    # ignores Ctrl-C by itself, it inherits that the signal is blocked.
    with _LOCK:
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        posix = hasattr(signal, "pthread_sigmask")
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if posix else None
        try:
            yield
        finally:
            sys.modules["__main__"] = main
            if mask is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def submit(workers: int, function: Callable[..., T], *args: Any, **kwargs: Any) -> Future[T]:
    """Call a module's function on one of `workers` processes; 0: here and now."""
    if workers == 0:
        done: Future[T] = Future()
        done.set_result(function(*args, **kwargs))
        return done
    with _spawning():
        return _pool(workers).submit(function, *args, **kwargs)


def gather(
    workers: int, function: Callable[..., T], jobs: Sequence[tuple[Any, ...]], **same: Any
) -> list[T]:
    """Results of function(*job, **same) in the order of the jobs.

    After an error or Ctrl-C nothing more is begun. Raises XaibenchError where a worker died.
    """
    futures: list[Future[T]] = []
    try:
        futures += [submit(workers, function, *job, **same) for job in jobs]
        return [future.result() for future in futures]
    except BrokenExecutor:
        _pool.cache_clear()
        raise XaibenchError(
            "a worker process died, perhaps for want of memory: use fewer --workers, or 0."
        ) from None
    finally:
        for future in futures:
            future.cancel()
