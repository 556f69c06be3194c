"""The hands of a run as processes of this machine.

Each has its share of the cores or a GPU of its own, gets jobs through a pipe and answers with
events. It is deaf to Ctrl-C, stops when it is told to, and dies with the process that began it.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from xaibench.datasets.pixels import forget
from xaibench.errors import XaibenchError
from xaibench.execution.driver import Event, Job, Lost, Raised
from xaibench.execution.hand import hand
from xaibench.execution.parcel import taken_up
from xaibench.execution.portable import dump, load
from xaibench.pool import THREADS, ctrl_c_waits
from xaibench.stages.block import Task

STARTS = 3
"""A process that dies so often before it says anything will never do."""
STOPPING = 120.0
"""Seconds that a process has to write what it has finished."""


@dataclass(frozen=True)
class Place:
    """Where a process works: its device, its threads, and how many processes decode for it."""

    device: str
    threads: int
    workers: int


@dataclass(frozen=True)
class Parcel:
    """What a process takes up: a run, and where its network is ('': it loads it).

    in_memory: whether that is one that no configuration names.
    """

    task: Task
    path: str
    in_memory: bool


class Processes:
    """A crew of processes here, begun when they are first given a job."""

    def __init__(self, parcel: Parcel, places: Sequence[Place]) -> None:
        self.hands = len(places)
        self._parcel, self._places = parcel, places
        self._held: dict[int, _Process] = {}
        self._mute = [0] * len(places)

    def give(self, hand: int, job: Job, following: Job | None) -> None:
        """Send a job to a process."""
        if hand not in self._held:
            self._held[hand] = self._begin(hand)
        with suppress(OSError):  # it has died, which is met soon
            self._held[hand].connection.send_bytes(dump((job, following)))

    def _begin(self, number: int) -> _Process:
        place = self._places[number]
        own = {"device": place.device, "workers": place.workers}
        task = replace(
            self._parcel.task, config=self._parcel.task.config.model_copy(update=own), network=None
        )
        return _Process(replace(self._parcel, task=task), number, place.threads)

    def events(self, timeout: float) -> Iterator[Event]:
        """What the processes say, and which have died."""
        by = {one.connection: number for number, one in self._held.items()}
        ends = {one.process.sentinel: number for number, one in self._held.items()}
        ready = wait([*by, *ends], timeout)
        for number in dict.fromkeys(by.get(one, ends.get(one)) for one in ready):  # type: ignore
            assert number is not None
            yield from self._of(number)

    def _of(self, number: int) -> Iterator[Event]:
        one = self._held[number]
        died = not one.process.is_alive()  # asked before what it said last is read
        with suppress(EOFError, OSError):
            while one.connection.poll():
                self._mute[number] = 0
                yield one.connection.recv()
        if died:
            del self._held[number]
            self._mute[number] += 1
            one.clear()
            why = f"process {number + 1} of {self.hands} {_end(one.process.exitcode)}"
            if self._mute[number] >= STARTS:
                raise XaibenchError(f"{why} {STARTS} times at its start: use fewer --processes.")
            yield Lost(number, why)

    def close(self) -> None:
        """Have all processes write what they have finished, and end; a second Ctrl-C kills them."""
        held = list(self._held.values())
        self._held.clear()
        try:
            for one in held:
                one.process.terminate()
            until = time.monotonic() + STOPPING
            for one in held:
                one.process.join(max(0.0, until - time.monotonic()))
        finally:
            for one in held:
                kill(one.process)
                one.clear()


def kill(process: Any) -> None:
    """End a process whatever it is at."""
    if process.is_alive():
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    process.join()


def _end(code: int | None) -> str:
    if code is None or code >= 0:
        return f"ended with code {code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
        return f"died ({name})" if code != -9 else "was killed, perhaps for want of memory"
    return f"died (signal {-code})"


class _Process:
    """A process with this end of its pipe."""

    def __init__(self, parcel: Parcel, number: int, threads: int) -> None:
        self.connection, theirs = Pipe()
        with theirs:
            given = theirs, parcel, number, threads
            self.process = begun(_work, given, f"xaibench-{number + 1}", threads)

    def clear(self) -> None:
        """Take away what a dead process has left."""
        self.connection.close()
        forget(self.process.pid)


def begun(function: Callable[..., None], given: tuple[Any, ...], name: str, threads: int) -> Any:
    """A new process of so many threads, which never imports the caller's script.

    Raises XaibenchError where it cannot be started.
    """
    from loky.backend import get_context

    env = dict.fromkeys(THREADS, str(threads))
    with ctrl_c_waits():
        process = get_context("loky").Process(target=function, args=given, name=name, env=env)
        try:
            process.start()
        except OSError as error:
            raise XaibenchError(
                f"processes cannot be started ({error}): use fewer --processes."
            ) from None
    return process


def _work(connection: Connection, parcel: Parcel, number: int, threads: int) -> None:
    """In a new process: do jobs as they come."""
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, jobs), daemon=True).start()
    lock, told = threading.Lock(), list[int]()

    def stop(number: int, _frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        told.append(number)
        raise KeyboardInterrupt

    def send(event: Event) -> None:
        if told:  # while a library was being imported, and it was not heard
            raise KeyboardInterrupt
        with lock:
            connection.send(event)

    signal.signal(signal.SIGTERM, stop)
    try:
        torch.set_num_threads(threads)
        run = taken_up(parcel.task, parcel.path, parcel.in_memory)
        with hand(parcel.task, number, send) as do:
            while True:
                do(*load(run, jobs.get()))
    except KeyboardInterrupt:
        return
    except BaseException as error:
        if not told:
            send(Raised(number, _portable(error)))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends by itself


def _receive(connection: Connection, jobs: queue.SimpleQueue[bytes]) -> None:
    """Take what is sent; where the other end goes, so does this process."""
    while True:
        try:
            jobs.put(connection.recv_bytes())
        except (EOFError, OSError):
            forget(os.getpid())
            os._exit(1)


def _portable(error: BaseException) -> BaseException:
    """An error that can be sent, with its traceback for --debug."""
    error.add_note("".join(traceback.format_tb(error.__traceback__)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return XaibenchError(f"unexpected {type(error).__name__}: {error}")
    return error
