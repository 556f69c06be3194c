"""One writer a run directory, or the shards of one number, each once; others are refused, or wait.

A lock is the operating system's (`flock`): it ends with the process that holds it, however that
ends. On network file systems it holds between machines where the system passes locks on (NFS of
version 4, or 3 with its lock daemon).

Who writes alone holds `.lock`. A shard holds it only while it begins, and then one of its own; that
is taken under `.lock` alone, so that who holds `.lock` and finds no shard at work has none to fear.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from xaibench.config.shard import Shard
from xaibench.errors import XaibenchError
from xaibench.store import layout

Say = Callable[[str], None]
POLL = 0.05
GRACE = 2.0
"""Seconds after which a shard believes that who holds `.lock` is no shard that begins."""


@dataclass
class Held:
    """A run directory that is held. waited: until another was done: what was known is of no use."""

    root: Path
    shard: Shard | None = None
    waited: bool = False
    _own: dict[Path, FileLock] = field(default_factory=dict)

    def begun(self) -> None:
        """A shard lets others begin: from now on it writes what is its own, and shares in turn."""
        if self.shard:
            self._let_go(self.root / layout.LOCK)

    def alone(self, remedy: str) -> None:
        """XaibenchError where other shards are at work, before this one has let others begin."""
        for path in layout.shard_locks(self.root) if self.shard else ():
            if path not in self._own and not _free(path):
                raise XaibenchError(f"{self.root} is in use by {_holder(path)}: {remedy}.")

    def _take(self, path: Path) -> bool:
        """Whether a lock could be had at once."""
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        self._own[path] = lock
        return True

    def _let_go(self, path: Path) -> None:
        if lock := self._own.pop(path, None):
            with suppress(OSError):
                _signed(path).unlink()
            lock.release()

    def _try(self) -> Path | None:
        """Take what is needed; else, with nothing taken, the lock that another has."""
        front = self.root / layout.LOCK
        if not self._take(front):
            return front
        own = layout.shard_lock(self.root, self.shard.number, self.shard.of) if self.shard else None
        for path in layout.shard_locks(self.root):
            beside = self.shard is not None and path.name.endswith(f"-{self.shard.of}")
            if path != own and not beside and not _free(path):
                self._let_go(front)
                return path
        if own and not self._take(own):
            self._let_go(front)
            return own
        for path in self._own:
            _sign(path, self.shard)
        return None

    def _release(self) -> None:
        for path in list(self._own):
            self._let_go(path)


@contextmanager
def writing(
    root: Path,
    *,
    wait: bool = False,
    say: Say = lambda _line: None,
    remedy: str = "wait for its end (--wait), or choose another --out",
    shard: Shard | None = None,
) -> Iterator[Held]:
    """Hold a run directory while it is written to; the directory is made if need be.

    wait: until whoever holds it is done, which is said. shard: beside the others of its number,
    which is alone until it has `begun`. Raises XaibenchError where another process holds it, or
    where the directory cannot be written.
    """
    held, met, told = Held(root, shard), time.monotonic(), False
    try:
        with _refusing(root / layout.LOCK):
            root.mkdir(parents=True, exist_ok=True)
            while path := held._try():
                late = time.monotonic() - met > GRACE
                begins = shard and path.name == layout.LOCK and (_begins(path) or not late)
                held.waited |= not begins
                if not (wait or begins):
                    raise XaibenchError(f"{root} is in use by {_holder(path)}: {remedy}.")
                if not told and (late or not begins):
                    say(f"{root} is in use by {_holder(path)}: waiting")
                    told = True
                time.sleep(POLL)
        yield held
    finally:
        held._release()


@contextmanager
def moment(root: Path, name: str) -> Iterator[None]:
    """Hold a lock of a run directory for a moment, after whoever has it; not twice at once."""
    lock = FileLock(root / name)
    with _refusing(root / name):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """XaibenchError where a lock cannot be written."""
    try:
        yield
    except OSError as error:
        raise XaibenchError(
            f"cannot write {path}: {error.strerror or error}; choose another --out or free space."
        ) from None


def _free(path: Path) -> bool:
    """Whether nobody holds a lock."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    lock.release()
    return True


def _signed(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _sign(path: Path, shard: Shard | None) -> None:
    """Say beside a lock who holds it, for those who meet it."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    command = " ".join(Path(word).name if i == 0 else word for i, word in enumerate(sys.argv))
    held = {
        "process": os.getpid(),
        "host": platform.node(),
        "started": started,
        "command": command[:300],
        **({"shard": str(shard)} if shard else {}),
    }
    try:
        _signed(path).write_text(json.dumps(held), encoding="utf-8")
    except (OSError, ValueError):
        return


def _begins(path: Path) -> bool:
    """Whether who holds `.lock` says that it is a shard, which soon lets go of it."""
    try:
        return "shard" in json.loads(_signed(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _holder(path: Path) -> str:
    """Who holds a lock, as far as it says so."""
    try:
        held = json.loads(_signed(path).read_text(encoding="utf-8"))
        whose = f"shard {held['shard']}, " if "shard" in held else ""
        return (
            f"{whose}process {held['process']} on {held['host']} since {held['started']} "
            f"({held['command']})"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
