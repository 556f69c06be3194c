"""May a method be believed? The checks that the runs' directories hold."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from xaibench.analysis.check.evidence import Judgement
from xaibench.report.html.view import SectionHtml, View
from xaibench.report.pages.check import page

title, key, place = "Check", "check", 55


def section(view: View) -> SectionHtml | None:
    """Each check of each run; nothing where no run has any.

    prepared: of each run, its judgements.
    """
    held: Sequence[Sequence[Judgement]] = view.prepared.get(key, ())
    if not any(held):
        return None
    panels = [_panel(view, judgements) for judgements in held]
    return SectionHtml(
        view.panels(panels),
        lead="A method beside controls that know nothing, and what its maps do when weights, class "
        "or image change (xaibench check).",
    )


def _panel(view: View, judgements: Sequence[Judgement]) -> Markup | None:
    checks = [(one.title, view.document(one)) for one in map(page, judgements)]
    return view.render("check.html.j2", checks=checks) if checks else None
