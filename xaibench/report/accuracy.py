"""What a page says of the network's accuracy, before its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from xaibench.analysis.accuracy import Accuracy
from xaibench.report.document import Block, Document, Paragraph


def with_accuracy(page: Document, runs: Mapping[str, Accuracy | None]) -> Document:
    """The page with how often the network of each run was right, and a question where that is odd.

    runs: by name, which is said where there are several. A run without labels has none.
    """
    above: list[Block] = []
    for name, found in runs.items():
        of = name * (len(runs) > 1)
        if found is not None:
            text = f"accuracy on these images: {found.line}."
            above.append(Paragraph(f"{of}: {text}" if of else f"A{text[1:]}", "dim"))
        if found is not None and found.doubt:
            above.append(Paragraph(found.doubt, "warn", f"Note on {of}" if of else "Note"))
    held = [_record(found, name if len(runs) > 1 else "") for name, found in runs.items()]
    content = dict(page.content) | {"accuracy": held if len(held) > 1 else held[0]}
    return replace(page, blocks=(*above, *page.blocks), content=content)


def _record(found: Accuracy | None, run: str) -> dict[str, Any] | None:
    """The same for programs: counts, and None where they are not known."""
    if found is None:
        return None
    kept = {k: v for k, v in asdict(found).items() if k != "wrong"}
    return ({"run": run} if run else {}) | kept
