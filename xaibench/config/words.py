"""What no name, path or spec can be, whatever it means."""

from __future__ import annotations

from urllib.parse import quote

from xaibench.errors import UsageError

LONGEST = 4_000
PART = 255
"""Bytes of a file's name that file systems take."""
STORED = 200
"""The same without what is added to the name of a spec's folders and files."""


def check_text(what: str, text: str) -> None:
    """UsageError for a text that is too long, has a NUL or is not UTF-8."""
    if len(text) > LONGEST:
        raise UsageError(f"{what} has {len(text):,} characters: give at most {LONGEST:,}.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} {text!a} is not UTF-8: rename it.") from None
    if "\0" in text:
        raise UsageError(f"{what} {text!a} has a NUL character: leave it out.")


def check_path(what: str, text: str) -> None:
    """The same, and for an empty path or one with a name that no file can have."""
    if not text:
        raise UsageError(f"{what} is empty: give a name, or leave the option out.")
    check_text(what, text)
    longest = max(text.split("/"), key=len)
    if len(longest.encode()) > PART:
        raise UsageError(f"{what} '{longest[:40]}...' is longer than {PART} bytes: shorten it.")


def check_stored(spec: str) -> None:
    """UsageError for a spec that is too long for the name of the folder with its results."""
    if len(quote(spec, safe="")) > STORED:
        raise UsageError(
            f"'{spec[:60]}...' is too long for the name of a folder: give fewer or shorter values."
        )
