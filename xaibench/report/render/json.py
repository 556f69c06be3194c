"""A page as JSON, for programs."""

from __future__ import annotations

import json

from xaibench.report.document import Document


def render(page: Document) -> str:
    """Return the page's content; numbers that are none are refused."""
    return json.dumps(page.content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
