"""Which of the paper's claims hold, with the evidence for each verdict."""

from __future__ import annotations

from dataclasses import replace

from xaibench.analysis.claims.check import check_claims
from xaibench.report.html.view import SectionHtml, View
from xaibench.report.pages.claims import page

title, key, place = "Claims", "claims", 30


def section(view: View) -> SectionHtml | None:
    """The verdicts of all runs side by side, then each claim with its rule and numbers.

    Nothing where the paper is left out.
    """
    if not view.paper:
        return None
    sources = [replace(run.source, name=run.name) for run in view.runs]
    made = page(*check_claims(sources))
    verdicts, *evidence = made.sections
    return SectionHtml(
        view.render("claims.html.j2", page=made, verdicts=verdicts, evidence=evidence),
        lead="Each of the paper's sentences as a rule, applied to its own printed tables and to "
        "each run.",
    )
