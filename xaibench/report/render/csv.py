"""A page as CSV, for programs: one line a record, empty where there is no value.

A spreadsheet takes a text that begins like a formula for one: an apostrophe stands before it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from xaibench.errors import shown
from xaibench.report.document import Document

_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")  # the wide ones too: a spreadsheet narrows them


def render(page: Document) -> str:
    """Return the page's records, its fields as the first line."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, page.fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _cell(v) for k, v in record.items()} for record in page.records)
    return file.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, Mapping):
        return sum(value.values())
    if not isinstance(value, str):
        return value
    text = shown(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) and not _number(text) else text


def _number(text: str) -> bool:
    """Whether a text is a number in words, or the dash of a cell without one."""
    try:
        return text == "-" or float(text) is not None
    except ValueError:
        return False
