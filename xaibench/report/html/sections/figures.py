"""Figures 1 and 2, where `report --figures` drew them."""

from __future__ import annotations

from markupsafe import Markup

from xaibench.report.html.artefacts import picture
from xaibench.report.html.view import Run, SectionHtml, View

title, key, place = "Figures", "figures", 70
FIGURES = {
    "figure1": "Figure 1: the photographs on which a method does best and worst, with all maps",
    "figure2": "Figure 2: scores of every image against the probability of its class",
}


def section(view: View) -> SectionHtml | None:
    """The figures of each run; nothing where there are none."""
    panels = [_panel(view, run) for run in view.runs]
    return SectionHtml(view.panels(panels)) if any(panels) else None


def _panel(view: View, run: Run) -> Markup | None:
    found = [one for name, text in FIGURES.items() if (one := picture(run, name, text))]
    if not found:
        return None
    return view.render("pictures.html.j2", run=run, pictures=found, grid=None, again="--figures")
