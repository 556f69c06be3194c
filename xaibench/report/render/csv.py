"""A page as CSV, for programs: one line a record, empty where there is no value."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from xaibench.report.document import Document


def render(page: Document) -> str:
    """Return the page's records, its fields as the first line."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, page.fields, lineterminator="\n")
    writer.writeheader()
    for record in page.records:
        writer.writerow(
            {k: sum(v.values()) if isinstance(v, Mapping) else v for k, v in record.items()}
        )
    return file.getvalue()
