"""Text files with one image a line, with or without its label."""

from __future__ import annotations

import re
from pathlib import Path

from xaibench.errors import XaibenchError

_LABEL = r"(-?\d+|n\d{8})"
_FORMS = (
    re.compile(rf"(.+?)\s*,\s*{_LABEL}"),  # name,label
    re.compile(r"(.+?)\s*,\s*(n\d{8})\s.*"),  # Kaggle's: name, class, then boxes
    re.compile(rf"(\S+)\s+{_LABEL}"),  # Caffe's: name label
)


def lines(path: Path) -> list[str]:
    """The lines that are not blank, without surrounding space.

    Raises XaibenchError where the file cannot be read or is not text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise XaibenchError(f"cannot read {path}: {error.strerror}; check the path.") from None
    except UnicodeDecodeError:
        raise XaibenchError(f"{path} is not text: give a list with one image a line.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def pair(line: str) -> tuple[str, str] | None:
    """A line's name and label (a number or WordNet id); None where it has another form."""
    for form in _FORMS:
        match = form.fullmatch(line)
        if match:
            return match[1].strip("\"'"), match[2]
    return None
