"""What the page is of: model, data, protocol and images of each run."""

from __future__ import annotations

from xaibench.analysis.header import PAPER, build_header, of_passes
from xaibench.report.html.view import Run, SectionHtml, View

title, key, place = "Overview", "overview", 0


def section(view: View) -> SectionHtml:
    """One row a run, and what has to be said of it."""
    headers = [
        build_header(run.source.scores, run.source.catalog, run.source.identity)
        for run in view.runs
    ]
    notes = dict.fromkeys(
        note
        for run, header in zip(view.runs, headers, strict=True)
        for note in (
            *_doubts(run),
            *(header.notes if view.paper else ()),
            *of_passes(run.source.identity),
        )
    )
    runs = list(zip(view.runs, headers, strict=True))
    paper = PAPER if view.paper else ""
    return SectionHtml(view.render("overview.html.j2", runs=runs, notes=list(notes), paper=paper))


def _doubts(run: Run) -> list[str]:
    """What to ask about the labels of a run, and what is wrong with its scores."""
    found = run.source.accuracy
    said = [found.doubt] if found and found.doubt else []
    return [f"{run.name}: {doubt}" for doubt in (*said, *run.source.notes)]
