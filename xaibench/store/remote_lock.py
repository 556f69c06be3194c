"""One writer a URL: an object that only one process can have put, renewed as long as it lives."""

from __future__ import annotations

import _thread
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from xaibench.errors import XaibenchError
from xaibench.store.objects import Content, Objects, Version

Say = Callable[[str], None]
LOCK = "lock.json"
BEAT = 30.0
"""Seconds between two signs of life."""
DEAD = 600.0
"""Seconds without a sign of life after which a writer of another machine is taken for dead."""
POLL = 5.0
"""Seconds between two looks of who waits."""
_HELD: set[str] = set()
"""The tokens of the locks that this process holds."""


class Lock:
    """A URL's lock, held. lost: what to tell the user once another process has it."""

    def __init__(self, objects: Objects) -> None:
        self._objects, self._version = objects, Version()
        self._held = _signature()
        self._ended, self.lost = threading.Event(), ""

    @property
    def token(self) -> str:
        """What tells it from all others."""
        return str(self._held["token"])

    def take(self, was: Content | None = None) -> bool:
        """Put the object where there is none, or in the place of a dead writer's."""
        data = self._data()
        found = (
            self._objects.replace(LOCK, data, was.version)
            if was
            else self._objects.create(LOCK, data)
        )
        self._version = found or {}
        return found is not None

    def check(self) -> None:
        """XaibenchError where another process has it now."""
        held = None if self.lost else self._objects.read(LOCK)
        if held and _read(held).get("token") == self.token:
            self._version = held.version  # of a sign of life whose answer was lost
        else:
            self.lost = self.lost or (
                f"{self._objects.url} was taken over by {_who(held)}: what was not uploaded is "
                "computed again by the next run"
            )
            raise XaibenchError(f"{self.lost}.")

    def renew(self) -> None:
        """Give a sign of life; where another process has the lock, stop this one."""
        found = self._objects.replace(LOCK, self._data(), self._version)
        if found:
            self._version = found
            return
        with suppress(XaibenchError):
            self.check()
        if self.lost:
            _thread.interrupt_main()

    def beat(self) -> None:
        """Give signs of life until the end."""
        while not self._ended.wait(BEAT) and not self.lost:
            with suppress(XaibenchError):  # no network: there are more to come
                self.renew()

    def release(self) -> None:
        """Give it back, if it is still this process's."""
        self._ended.set()
        with suppress(XaibenchError):
            self.check()
            self._objects.remove(LOCK)

    def _data(self) -> bytes:
        renewed = datetime.now(UTC).isoformat(timespec="microseconds")
        return json.dumps({**self._held, "renewed": renewed}, indent=1).encode()


@contextmanager
def holding(objects: Objects, *, wait: bool, say: Say) -> Iterator[Lock]:
    """Hold a URL alone. wait: until whoever holds it is done.

    A writer that died is told by its process, on the same machine, or by DEAD seconds without a
    sign of life; its lock is broken, which is said. Raises XaibenchError where another one lives.
    """
    lock, told = Lock(objects), False
    while not lock.take():
        held = objects.read(LOCK)
        if held is None:
            continue
        if why := _dead(held):
            if lock.take(held):
                say(f"{objects.url}: {_who(held)} is dead ({why}): its lock is broken")
                break
            continue
        if not wait:
            raise XaibenchError(
                f"{objects.url} is in use by {_who(held)}: wait for its end (--wait), or choose "
                "another --out."
            )
        if not told:
            say(f"{objects.url} is in use by {_who(held)}: waiting")
            told = True
        time.sleep(POLL)
    thread = threading.Thread(target=lock.beat, name="xaibench-lock", daemon=True)
    thread.start()
    _HELD.add(lock.token)
    try:
        yield lock
    finally:
        _HELD.discard(lock.token)
        lock.release()
        thread.join()


def _signature() -> dict[str, Any]:
    command = " ".join(Path(word).name if i == 0 else word for i, word in enumerate(sys.argv))
    return {
        "process": os.getpid(),
        "host": platform.node(),
        "machine": _machine(),
        "begun": psutil.Process().create_time(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command[:300],
        "token": uuid4().hex,
    }


def _machine() -> str:
    """What tells whether a process id means the same here; empty where nothing does."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return ""


def _read(held: Content | None) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(held.data) if held else {}
        return found if isinstance(found, dict) else {}
    return {}


def _dead(held: Content) -> str:
    """Why a lock's writer is taken for dead; empty where it is not."""
    said = _read(held)
    if said.get("machine") == _machine() != "":
        with suppress(psutil.NoSuchProcess, TypeError, ValueError, KeyError):
            process = psutil.Process(said.get("process"))
            same = abs(process.create_time() - said["begun"]) < 1
            if same and process.pid == os.getpid() and said["token"] not in _HELD:
                return "its run has ended"  # without a network to give it back
            return "" if same else "its process has ended"
        return "its process has ended"
    return f"no sign of life for {held.age // 60:.0f} minutes" if held.age > DEAD else ""


def _who(held: Content | None) -> str:
    said = _read(held)
    try:
        return (
            f"process {said['process']} on {said['host']} since {said['started']} "
            f"({said['command']})"
        )
    except KeyError:
        return "another process"
