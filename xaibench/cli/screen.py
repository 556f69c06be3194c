"""What the commands print: lines in which no name moves the cursor, on any encoding."""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from xaibench.errors import shown

if TYPE_CHECKING:
    from rich.console import Console

NEXT = "next: "
"""Before what to run next."""


def echo(line: str, err: bool = False) -> None:
    """Print one line, folded where the screen is narrower; on stderr on a terminal alone.

    What is no visible character stands escaped.
    """
    stream = sys.stderr if err else sys.stdout
    columns = width(stream) if not err or stream.isatty() else None
    print("\n".join(_lines(shown(line), columns)), file=stream, flush=True)


def _lines(text: str, columns: int | None) -> list[str]:
    """A line folded, the command to run next as a shell takes it in several lines."""
    said, mark, words = text.partition(f"; {NEXT}")
    if not mark or columns is None or len(text) <= columns:
        return folded(text, columns)
    from xaibench.report.render.terminal import shell_lines

    return [*folded(said, columns), *shell_lines(f"{NEXT}{words}", columns)]


def console(quiet: bool = False, stderr: bool = False) -> Console:
    """Where pages are printed; a closed pipe is an error there as it is of `print`."""
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise

    return Screen(quiet=quiet, stderr=stderr)


def aside(line: str) -> None:
    """Print a line for people beside what is for programs."""
    echo(line, err=True)


def telling(as_json: bool) -> tuple[Callable[[str], None], list[str]]:
    """What prints lines for people, aside with --json, and the list of what it has said."""
    say, said = aside if as_json else echo, list[str]()

    def tell(line: str) -> None:
        said.append(line)
        say(line)

    return tell, said


def document(value: Any) -> None:
    """Print what --json asks for: one JSON document."""
    print(json.dumps(value, indent=1, allow_nan=False, default=str), flush=True)


def width(stream: TextIO | None = None) -> int | None:
    """Columns of the screen: COLUMNS, or the terminal's; None where there is none.

    stream: what is written to; by default stdout.
    """
    if (given := os.environ.get("COLUMNS", "")).isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size((stream or sys.stdout).fileno()).columns or None
    except (OSError, ValueError):
        return None


def folded(text: str, columns: int | None, hang: int = 2) -> list[str]:
    """A line in lines of so many columns, the later ones `hang` further in.

    It is broken at blanks, and a longer word after its commas; what has neither stays whole, and
    so does a path, unless it lists files in braces.
    """
    if columns is None or len(text) <= columns:
        return [text]
    indent = len(text) - len(text.lstrip())
    later = " " * min(indent + hang, columns // 2)
    how: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
    lines = textwrap.wrap(text, columns, subsequent_indent=later, **how)
    return [part for line in lines for part in _at_commas(line, columns, later)]


def _at_commas(line: str, columns: int, later: str) -> list[str]:
    parts: list[str] = []
    if "/" in line and "{" not in line:
        return [line]
    while len(line) > columns and (end := line.rfind(",", len(later), columns) + 1):
        parts.append(line[:end])
        line = later + line[end:]
    return [*parts, line]


def next_is(*words: str | Path) -> str:
    """What to run next, at the end of a command's last line."""
    return f"; {NEXT}{command(*words)}"


def command(*words: str | Path) -> str:
    """A command as a shell takes it."""
    return shlex.join(["xaibench", *map(str, words)])


def written(paths: Sequence[Path], into: Path) -> str:
    """Which files were written: `written: FOLDER/{a.md,b.md}`."""
    return f"written: {into}/{{{','.join(path.name for path in paths)}}}"


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
