"""What the commands print: lines in which no name moves the cursor, on any encoding."""

from __future__ import annotations

import io
import os
import sys

from xaibench.errors import shown


def echo(line: str, err: bool = False) -> None:
    """Print one line; what is no visible character stands escaped."""
    print(shown(line), file=sys.stderr if err else sys.stdout, flush=True)


def take_any_character() -> None:
    """What the encoding of a terminal or a pipe lacks is escaped, and no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def give_up_output() -> None:
    """Drop what cannot be written, so that Python does not try it again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
