"""Tables 1-4 with the paper's numbers beside ours, other methods and metrics, and ties."""

from __future__ import annotations

from dataclasses import replace

from markupsafe import Markup

from xaibench.analysis.tables import build_tables
from xaibench.analysis.ties import ties_tables
from xaibench.report.html.scores import legend, shown
from xaibench.report.html.view import Run, SectionHtml, View

title, key, place = "Tables", "tables", 10


def section(view: View) -> SectionHtml:
    """All tables that a run has scores for, one part a run."""
    return SectionHtml(
        view.panels([_tables(view, run) for run in view.runs]),
        lead="Mean over images with its 95% interval, then the paper's number and how far ours is "
        "from it. A head sorts its column; a cell says its number of images when pointed at or "
        "reached with the arrow keys.",
    )


def _tables(view: View, run: Run) -> Markup:
    source, catalog = run.source, run.source.known
    paper = view.paper
    built = build_tables(
        source.scores, run=run.words, catalog=source.catalog, stopped=source.stopped, beside=paper
    )
    tied = run.tied
    if tied and not view.options.get("whole", True):
        tied = tied.of(set(source.scores["method"].unique()))
    built += ties_tables(source.scores, source.catalog, tied, run.words)
    if not view.options.get("whole", True):  # what was not asked for is not missing
        built = [replace(table, fill=None) for table in built]
    tables = [one for table in built for one in shown(table, catalog, paper)]
    return view.render("tables.html.j2", tables=tables, legend=legend(tables))
