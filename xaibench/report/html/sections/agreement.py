"""Do the methods point at the same pixels? What `report --agreement` wrote of each run."""

from __future__ import annotations

from markupsafe import Markup

from xaibench.report.html.artefacts import picture, table
from xaibench.report.html.view import Run, SectionHtml, View

title, key, place = "Agreement", "agreement", 50
COLUMNS = {
    "correlation": "Spearman",
    "overlap": "Share of common top pixels",
    "n": "n",
    "n_constant": "Constant",
}

ENDS = {name: (f"{name}_low", f"{name}_high") for name in ("correlation", "overlap")}


def section(view: View) -> SectionHtml | None:
    """Heat map and table of every two methods; nothing where no run has them."""
    panels = [_panel(view, run) for run in view.runs]
    if not any(panels):
        return None
    return SectionHtml(
        view.panels(panels),
        lead="Every two methods' maps of the same image: Spearman's rank correlation, and the "
        "share of common pixels among the top of each. Mean with its 95% interval over images.",
    )


def _panel(view: View, run: Run) -> Markup | None:
    shown = picture(run, "agreement", "Heat map of how alike every two methods' maps are")
    folder = run.report
    if shown is None or folder is None:
        return None
    label = run.source.known.label
    grid = table(folder / "agreement.csv", COLUMNS, ("first", "second"), label, ENDS)
    return view.render(
        "pictures.html.j2", run=run, pictures=[shown], grid=grid, again="--agreement"
    )
