"""What each method costs in seconds, beside what its maps are worth."""

from __future__ import annotations

from xaibench.report.html.view import SectionHtml, View
from xaibench.report.pages.time import of_run

title, key, place = "Time", "time", 45


def section(view: View) -> SectionHtml | None:
    """The seconds that the processes of each run recorded; nothing where none did."""
    if not any(run.source.timings for run in view.runs):
        return None
    panels = [view.document(of_run(r.source)) if r.source.timings else None for r in view.runs]
    return SectionHtml(view.panels(panels))
