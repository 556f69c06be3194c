"""Code that is not the package's: plug-ins and the user's own files."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib import metadata

from xaibench.errors import XaibenchError, reason


@contextlib.contextmanager
def foreign(what: str, remedy: str) -> Iterator[None]:
    """While such code runs: whatever it raises, SystemExit too, is an XaibenchError.

    What it prints goes to stderr, since stdout is the command's. Ctrl-C stays what it is.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (XaibenchError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise XaibenchError(f"{what} ({reason(error)}): {remedy}.") from error
    except BaseException as error:
        raise XaibenchError(f"{what} ({ended(error)}): {remedy}.") from error


def ended(error: BaseException) -> str:
    """What to say of code that raises to end the whole program."""
    return f"it ends the program with {type(error).__name__} {error}".rstrip()


def entry_points(group: str) -> list[metadata.EntryPoint]:
    """The entry points of a group; a package whose own list cannot be read has none."""
    try:
        return list(metadata.entry_points(group=group))
    except Exception:
        found: list[metadata.EntryPoint] = []
        for package in metadata.distributions():
            with contextlib.suppress(Exception):
                found += package.entry_points.select(group=group)
        return found
