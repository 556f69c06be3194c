"""What each difference between two protocols moves: what `ablate` wrote beside the runs."""

from __future__ import annotations

from pathlib import Path

from xaibench.report.html.artefacts import table
from xaibench.report.html.view import SectionHtml, View

title, key, place = "Ablation", "ablation", 55
COLUMNS = {"before": "From", "after": "To", "mean": "Mean", "change": "Change"}
COLUMNS |= {"n": "n", "note": "Note"}
LABEL = ("method", "target", "transform", "metric", "kind", "switch")
ENDS = {"change": ("low", "high")}


def section(view: View) -> SectionHtml | None:
    """The tables of ablations that a run is part of; nothing where there are none."""
    places = dict.fromkeys(p for run in view.runs if run.folder for p in _places(run.folder))
    grids = [(path, table(path, COLUMNS, LABEL, str, ENDS)) for path in places]
    found = [(path.parent.name, grid) for path, grid in grids if grid]
    if not found:
        return None
    return SectionHtml(
        view.render("grids.html.j2", grids=found),
        lead="Change of the mean when one difference between two protocols alone is switched, in "
        "the units of the tables.",
    )


def _places(folder: Path) -> list[Path]:
    """Where `ablate` writes: beside the run directories of its protocols."""
    return [place / "ablation.csv" for place in (folder / "report", folder.resolve().parent)]
