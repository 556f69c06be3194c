"""Errors a user can cause or cure: one line, what is wrong, what to do."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

SHOWN = 12


class XaibenchError(Exception):
    """The run cannot go on (exit code 1). The message is one line with the remedy."""

    exit_code = 1


class UsageError(XaibenchError):
    """The command was asked for something that does not exist (exit code 2)."""

    exit_code = 2


class Failed(Exception):
    """A method or metric raised: the unit is recorded as failed. The message is the reason."""


REMEDIES = {
    errno.ENOENT: "check the path, or try again where another process is writing",
    errno.ENOSPC: "free some",
    errno.EDQUOT: "free some",
    errno.EFBIG: "allow larger files",
    errno.EROFS: "choose another place",
    errno.EACCES: "choose another place, or get the permission",
    errno.EPERM: "choose another place, or get the permission",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EMFILE: "allow more (ulimit -n), or use --workers 0",
    errno.ENFILE: "close some programs, or use --workers 0",
    errno.ENOMEM: "free some, or use --workers 0",
}
"""What helps where the system refuses, whatever the file."""
OF_THE_SYSTEM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that say nothing of the file that was to be opened."""


def refused(error: OSError) -> str:
    """What the system refused, as one line with the remedy; empty where it says nothing."""
    if error.errno is None:
        return ""
    remedy = REMEDIES.get(error.errno, "mend that, or choose another place")
    what = f"cannot use {error.filename}" if error.filename else "the system refuses to go on"
    return f"{what}: {error.strerror}; {remedy}."


def reason(error: Exception) -> str:
    """An exception as one line."""
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, XaibenchError) else f"{type(error).__name__}: {text}"


def fold(name: str) -> str:
    """A name with `-` and `_` made the same and case dropped."""
    return name.strip().lower().replace("-", "_")


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for an unknown name, with the nearest known one or the whole list."""
    names = {fold(n): n for n in sorted(known, reverse=True)}
    near = difflib.get_close_matches(fold(name), names, n=1, cutoff=0.5)
    if near:
        return UsageError(f"unknown {kind} '{name}': did you mean '{names[near[0]]}'?")
    some = sorted(names.values())
    more = f", and {len(some) - SHOWN} more" if len(some) > SHOWN else ""
    listed = ", ".join(some[:SHOWN]) or "none"
    return UsageError(f"unknown {kind} '{name}': known: {listed}{more}.")
