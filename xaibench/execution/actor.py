"""What runs in a process of a cluster: it holds the network, does jobs and tells what it is at.

It knows nothing of Ray, which calls it: `do` in one thread, `told` and `stop` in others meanwhile.
"""

from __future__ import annotations

import os
import pickle
import platform
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from xaibench.config.files import digest
from xaibench.errors import XaibenchError, reason
from xaibench.execution import start
from xaibench.execution.driver import Event, Finished, Raised
from xaibench.execution.hand import hand as started
from xaibench.execution.portable import load
from xaibench.pool import THREADS
from xaibench.stages.block import Task, opened
from xaibench.stages.run import Run
from xaibench.store.identity import known
from xaibench.store.manifest import versions

TAKEN_ALONG = ("THP_MEM_ALLOC_ENABLE", "KINETO_LOG_LEVEL")
"""Environment variables that the command sets for itself, and an actor needs too."""


@dataclass(frozen=True)
class Place:
    """Where a process is, and what its results would be made by.

    node: the cluster's name of the machine. identity: the hash of the run that is seen in the run
    directory, empty where none is. network: whether that is loaded. warning: other versions.
    """

    host: str
    process: int
    node: str
    folder: str
    identity: str
    versions: Mapping[str, str]
    network: bool
    warning: str = ""


def place(run: Run, node: str = "") -> Place:
    """This process's."""
    held = known(run.root)
    return Place(
        platform.node(),
        os.getpid(),
        node,
        str(Path.cwd()),
        digest(held) if held else "",
        versions(),
        "classifier" in vars(run),
    )


def compared(run: Run, here: Place, home: Place) -> Place:
    """A process's place, with a warning where versions are others than at the driver's.

    Raises XaibenchError where it does not see the driver's run, and for versions under --strict.
    """
    if here.identity != home.identity:
        raise XaibenchError(
            f"{here.host} does not see the run that {home.host} has in {run.root}: give an --out "
            "that all machines of the cluster see under one name."
        )
    names = (home.versions.keys() | here.versions.keys()) - {"platform"}
    pairs = {name: (here.versions.get(name), home.versions.get(name)) for name in sorted(names)}
    drift = [f"{name} {a} ({b} on {home.host})" for name, (a, b) in pairs.items() if a != b]
    if not drift:
        return here
    line = f"other versions on {here.host}: {', '.join(drift)}"
    if run.config.strict:
        raise XaibenchError(f"{line}; install the same there, or drop --strict.")
    return replace(here, warning=f"warning: {line}")


def environment(cores: int) -> dict[str, str]:
    """Environment variables of an actor that has so many cores."""
    held = {name: os.environ[name] for name in TAKEN_ALONG if name in os.environ}
    return held | dict.fromkeys(THREADS, str(cores))


class Actor:
    """Does one job at a time for the driver of a run, which is at `home`."""

    def __init__(self, task: Task, home: Place) -> None:
        self._task, self._home = task, home
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._last: Event | None = None
        self._at_work, self._stopped = False, False

    def open(self, node: str) -> Place | Raised:
        """Take up the run, as far as the driver has; says where this is, or what keeps it off."""
        try:
            with suppress(OSError):  # where no path is relative, nothing needs it
                os.chdir(self._home.folder)
            run = opened(self._task)
            if self._home.network:
                start.check_directory(run)
            return compared(run, place(run, node), self._home)
        except Exception as error:
            return Raised(-1, self._carried(error))

    def do(self, hand: int, given: bytes) -> list[Event]:
        """Do a job; what was not told before, and its end. No end where it was stopped."""
        self._at_work, self._last = True, None
        try:
            job = load(opened(self._task), given)
            with started(self._task, hand, self._send) as do:
                do(*job)
        except KeyboardInterrupt:
            self._last = None
        except Exception as error:
            self._last = Raised(hand, self._carried(error))
        with self._changed:
            self._at_work = False
            self._changed.notify_all()
            return self._taken() + ([self._last] if self._last else [])

    def _send(self, event: Event) -> None:
        """Keep what is to be told; end as Ctrl-C would, where the driver has said so."""
        if self._stopped:
            raise KeyboardInterrupt
        with self._changed:
            if isinstance(event, Finished):
                self._last = event
            else:
                self._events.append(event)
            self._changed.notify_all()

    def told(self, apart: float, seconds: float) -> list[Event]:
        """What has happened since, after `apart` seconds, and some more where nothing has."""
        with self._changed:
            self._changed.wait_for(lambda: not self._at_work, apart)
            self._changed.wait_for(lambda: self._events or not self._at_work, seconds)
            return self._taken()

    def _taken(self) -> list[Event]:
        found, self._events = self._events, []
        return found

    def stop(self) -> None:
        """End the job at hand at its next step; what is finished of it is written."""
        self._stopped = True

    def _carried(self, error: Exception) -> BaseException:
        """An error as the driver can have it, with the machine's name and what --debug shows."""
        trace, host = traceback.format_exc(), platform.node()
        if isinstance(error, XaibenchError) and host != self._home.host:
            error = type(error)(f"on {host}: {error}")
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            error = XaibenchError(f"on {host}: {reason(error)}")
        error.add_note(trace)
        return error
