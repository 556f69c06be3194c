"""One writer a run directory: other processes that would write there are refused, or wait.

The lock is the operating system's (`flock`): it ends with the process that holds it, however that
ends. On network file systems it holds between machines where the system passes locks on (NFS of
version 4, or 3 with its lock daemon).
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from xaibench.errors import XaibenchError
from xaibench.store import layout

Say = Callable[[str], None]


@contextmanager
def writing(
    root: Path,
    *,
    wait: bool = False,
    say: Say = lambda _line: None,
    remedy: str = "wait for its end (--wait), or choose another --out",
) -> Iterator[bool]:
    """Hold a run directory alone while it is written to; the directory is made if need be.

    wait: until whoever holds it is done, which is said. Yields whether that was so: then what was
    known of the directory is of no use. Raises XaibenchError where another process holds it, or
    where the directory cannot be written.
    """
    path, waited = root / layout.LOCK, False
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise XaibenchError(f"{root} is in use by {_holder(root)}: {remedy}.") from None
            say(f"{root} is in use by {_holder(root)}: waiting")
            waited = True
            lock.acquire()
    except OSError as error:
        raise XaibenchError(
            f"cannot write {path}: {error.strerror or error}; choose another --out or free space."
        ) from None
    try:
        _sign(root)
        yield waited
    finally:
        with suppress(OSError):
            (root / layout.HOLDER).unlink()
        lock.release()


def _sign(root: Path) -> None:
    """Say beside the lock who holds it, for those who meet it; nothing depends on it."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    command = " ".join(Path(word).name if i == 0 else word for i, word in enumerate(sys.argv))
    held = {
        "process": os.getpid(),
        "host": platform.node(),
        "started": started,
        "command": command[:300],
    }
    try:
        (root / layout.HOLDER).write_text(json.dumps(held), encoding="utf-8")
    except (OSError, ValueError):
        return


def _holder(root: Path) -> str:
    """Who holds a lock, as far as it says so."""
    try:
        held = json.loads((root / layout.HOLDER).read_text(encoding="utf-8"))
        return (
            f"process {held['process']} on {held['host']} since {held['started']} "
            f"({held['command']})"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
