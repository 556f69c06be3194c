"""The first run against each of the others: every cell that both have."""

from __future__ import annotations

from dataclasses import replace

from xaibench.analysis.compare import compare
from xaibench.errors import XaibenchError
from xaibench.report.html.view import Run, SectionHtml, View
from xaibench.report.pages.compare import page

title, key, place = "Comparison", "compare", 40


def section(view: View) -> SectionHtml | None:
    """One comparison a further run; nothing where there is one run."""
    if len(view.runs) < 2:
        return None
    first, *others = view.runs
    return SectionHtml(
        view.render("compare.html.j2", pairs=[(other, _page(first, other)) for other in others]),
        lead=f"A is {first.name}. B minus A over the images that both have.",
    )


def _page(first: Run, other: Run) -> object:
    """The page of two runs, or why there is none."""
    a, b = (replace(run.source, name=run.name) for run in (first, other))
    try:
        return page(compare(a, b))
    except XaibenchError as error:
        return str(error)
