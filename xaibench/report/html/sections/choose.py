"""Which method to choose: ranks by group of metrics, who beats whom, and five sentences."""

from __future__ import annotations

from markupsafe import Markup

from xaibench.report.html.view import Run, SectionHtml, View
from xaibench.report.pages.choose import TITLE, of_run

title, key, place = TITLE, "choose", 25


def section(view: View) -> SectionHtml | None:
    """The choice of each run; nothing where none has two methods on untouched images."""
    panels = [_panel(view, run) for run in view.runs]
    return SectionHtml(view.panels(panels)) if any(panels) else None


def _panel(view: View, run: Run) -> Markup | None:
    scores = run.source.scores
    if scores.loc[scores["transform"] == "none", "method"].nunique() < 2:
        return None
    return view.document(of_run(run.source))
