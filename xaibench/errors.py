"""Errors a user can cause or cure: one line, what is wrong, what to do."""

from __future__ import annotations

import difflib
import errno
import functools
import inspect
import traceback
from collections.abc import Iterable
from pathlib import Path
from unicodedata import category

PACKAGE = Path(__file__).parent
SHOWN = 12


class XaibenchError(Exception):
    """The run cannot go on (exit code 1). The message is one line with the remedy."""

    exit_code = 1


class UsageError(XaibenchError):
    """The command was asked for something that does not exist (exit code 2)."""

    exit_code = 2


class Failed(Exception):
    """A method or metric raised: the unit is recorded as failed. The message is the reason."""


class MethodRaised(Failed):
    """A method's own error on a batch, for which one image of it may be the reason."""


def shown(text: str) -> str:
    r"""A text for eyes: what is no visible character stands escaped, such as `\x1b` or `\u202e`.

    Control and format characters (terminal sequences, line ends, tabs, changes of direction) and
    what is not UTF-8 in a file's name. Blanks of any width stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or category(c) == "Zs" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def reason(error: Exception, function: object = None) -> str:
    """An exception as one line.

    function: the user's own that raised, whose file and line are named; not of this package's own.
    """
    text = " ".join(str(error).split())[:300]
    if isinstance(error, XaibenchError):
        return text
    return f"{type(error).__name__}: {text}".removesuffix(": ") + _line_in(error, function)


def _line_in(error: Exception, function: object) -> str:
    """The innermost line in the folder of a function's file, as ` (mine.py:12)`; else nothing."""
    while isinstance(function, functools.partial):
        function = function.func
    if not callable(function):
        return ""
    function = inspect.unwrap(function)
    called = function if inspect.isroutine(function) else type(function).__call__
    code = getattr(called, "__code__", None)
    if code is None or PACKAGE in Path(code.co_filename).parents:
        return ""
    folder = Path(code.co_filename).parent
    lines = [
        f" ({path.name}:{line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if (path := Path(frame.f_code.co_filename)).parent == folder
    ]
    return lines[-1] if lines else ""


REMEDIES = {
    errno.ENOENT: "check the path, or try again where another process is writing",
    errno.ENOSPC: "free space",
    errno.EDQUOT: "free space",
    errno.EFBIG: "free space or raise the limit of a file (ulimit -f)",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "ask for the permission or choose another place",
    errno.EPERM: "ask for the permission or choose another place",
    errno.EMFILE: "raise the number of open files (ulimit -n), or use --workers 0",
    errno.ENFILE: "close other programs, or use --workers 0",
    errno.ENOMEM: "free memory, or use --workers 0",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "see whether the disk is sound",
}
"""What to do about what the operating system refuses."""
OF_THE_SYSTEM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that say nothing of the file that was to be opened."""


def of_system(error: OSError) -> str:
    """A refusal of the operating system as one line with its remedy; empty for other errors."""
    if error.errno is None:
        return ""
    remedy = REMEDIES.get(error.errno, "mend that, or choose another place")
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror}: {remedy}."


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
