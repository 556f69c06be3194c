"""What every page says of its runs before its numbers: which they are, and the accuracy there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from xaibench.analysis.accuracy import Accuracy
from xaibench.report.document import Block, Document, Paragraph


def with_runs(page: Document, runs: Mapping[str, Accuracy | None]) -> Document:
    """The page with how often the network of each run was right, and a question where that is odd.

    runs: by directory. The page of one run says it first; one of several names them itself. A run
    without labels has no accuracy.
    """
    several = len(runs) > 1
    above: list[Block] = []
    for name, found in runs.items():
        of = f" of {name}" * several
        if found is not None:
            above.append(Paragraph(f"Accuracy{of} on these images: {found.line}.", "dim"))
        if found is not None and found.doubt:
            above.append(Paragraph(found.doubt, "warn", f"Note{of}"))
    (first, *_), lead = runs, page.lead
    if first and not several:
        lead = (f"run {first}", *lead) if lead else lead
        above = above if lead else [Paragraph(f"Run {first}", "dim"), *above]
    held = [_record(name, found) for name, found in runs.items()]
    content = dict(page.content) | {"accuracy": held if several else held[0]}
    return replace(page, lead=lead, blocks=(*above, *page.blocks), content=content)


def _record(run: str, found: Accuracy | None) -> dict[str, Any]:
    """The same for programs: counts, None where they are not known."""
    held = asdict(found) if found else dict.fromkeys(Accuracy.__annotations__)
    return {"run": run} | {name: value for name, value in held.items() if name != "wrong"}
