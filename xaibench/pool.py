"""Worker processes for decoding photographs and cutting superpixels: one pool a process.

Imports nothing heavy: a worker loads what the work that it gets needs, and never the caller's
script.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from functools import cache
from multiprocessing import Pipe, resource_tracker
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from xaibench.errors import XaibenchError

T = TypeVar("T")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@cache
def _pipe() -> tuple[Connection, Connection]:
    """Two ends; workers read from one, which ends when this process, the other's holder, does."""
    return Pipe(duplex=False)


def _start(parent: Connection) -> None:
    """In a new worker: deaf to Ctrl-C, gone when its parent is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        parent.poll(None)  # nothing is ever sent
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """While processes may be begun: Ctrl-C breaks nothing off, and they inherit deafness to it."""
    posix = hasattr(signal, "pthread_sigmask")
    main = threading.current_thread() is threading.main_thread()
    pressed: list[int] = []  # a thread that does not block the signal may receive it
    if main:
        handler = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    if posix:
        resource_tracker.ensure_running()  # its start unblocks the signal
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if posix:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if main:
            signal.signal(signal.SIGINT, handler)
        if pressed:
            signal.raise_signal(signal.SIGINT)


_BEGINNING = threading.Lock()
"""One thread at a time begins workers. Two would make two pipes, of which one is kept: the other's
end is closed when nobody holds it, and the workers that follow it take that for their parent's."""
_STARTED: set[int] = set()  # processes, by id, that have had workers


def started() -> bool:
    """Whether this process has workers: to start the first takes longer than a little work does."""
    return os.getpid() in _STARTED


def submit(workers: int, function: Callable[..., T], *args: Any, **kwargs: Any) -> Future[T]:
    """Call a module's function on one of `workers` processes; 0: here and now.

    Raises XaibenchError where they cannot be started.
    """
    if workers == 0:
        done: Future[T] = Future()
        done.set_result(function(*args, **kwargs))
        return done
    from loky import get_reusable_executor

    with ctrl_c_waits(), _BEGINNING:
        try:
            pool = get_reusable_executor(
                workers,
                timeout=None,
                initializer=_start,
                initargs=(_pipe()[0],),
                env=dict.fromkeys(THREADS, "1"),
            )
            future: Future[T] = pool.submit(function, *args, **kwargs)
            _STARTED.add(os.getpid())
        except (OSError, UnboundLocalError) as error:  # the second is loky's, for want of handles
            why = error.__context__ if isinstance(error, UnboundLocalError) else error
            raise XaibenchError(
                f"worker processes cannot be started ({why}): use fewer --workers, or 0."
            ) from None
    return future


def gather(
    workers: int, function: Callable[..., T], jobs: Sequence[tuple[Any, ...]], **same: Any
) -> list[T]:
    """Results of function(*job, **same) in the order of the jobs.

    After an error or Ctrl-C nothing more is begun. Raises XaibenchError where a worker died.
    """
    futures: list[Future[T]] = []
    try:
        for job in jobs:
            futures.append(submit(workers, function, *job, **same))
        return [future.result() for future in futures]
    except BrokenExecutor:
        raise XaibenchError(
            "a worker process died, perhaps for want of memory: use fewer --workers, or 0."
        ) from None
    finally:
        for future in futures:
            future.cancel()
