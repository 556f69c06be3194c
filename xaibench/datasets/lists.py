"""Text files with one image a line, with or without its label."""

from __future__ import annotations

import re
from pathlib import Path

from xaibench.config.files import read_text

_LABEL = r"(-?[0-9]{1,9}|n[0-9]{8})"
_LONGEST = 5_000  # a path and its boxes; patterns take long over more
_FORMS = (
    re.compile(rf"(.+?)\s*,\s*{_LABEL}"),  # name,label
    re.compile(r"(.+?)\s*,\s*(n\d{8})\s.*"),  # Kaggle's: name, class, then boxes
    re.compile(rf"(\S+)\s+{_LABEL}"),  # Caffe's: name label
)


def lines(path: Path) -> list[str]:
    """The lines that are not blank, without surrounding space.

    Raises XaibenchError where the file cannot be read or is not text, as `read_text` does.
    """
    text = read_text(path, "a list with one image a line")
    return [line.strip() for line in text.splitlines() if line.strip()]


def pair(line: str) -> tuple[str, str] | None:
    """A line's name and label (a number or WordNet id); None where it has another form."""
    for form in _FORMS if len(line) <= _LONGEST else ():
        match = form.fullmatch(line)
        if match:
            return match[1].strip("\"'"), match[2]
    return None
