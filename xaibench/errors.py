"""Errors a user can cause or cure: one line, what is wrong, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from unicodedata import category

SHOWN = 12


class XaibenchError(Exception):
    """The run cannot go on (exit code 1). The message is one line with the remedy."""

    exit_code = 1


class UsageError(XaibenchError):
    """The command was asked for something that does not exist (exit code 2)."""

    exit_code = 2


class Failed(Exception):
    """A method or metric raised: the unit is recorded as failed. The message is the reason."""


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
