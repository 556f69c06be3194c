"""A page as JSON, for programs: names as they are, with JSON's own escapes."""

from __future__ import annotations

import json
import re

from xaibench.errors import shown
from xaibench.report.document import Document


def render(page: Document) -> str:
    """Return the page's content; numbers that are none are refused."""
    text = json.dumps(page.content, indent=2, ensure_ascii=False, allow_nan=False)
    return re.sub("[^\n -~]", _escaped, text) + "\n"


def _escaped(found: re.Match[str]) -> str:
    """A character that is visible, or else JSON's escape of it."""
    return found[0] if shown(found[0]) == found[0] else json.dumps(found[0])[1:-1]
