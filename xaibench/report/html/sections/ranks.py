"""Every method's rank by every metric, and where metrics disagree."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from xaibench.analysis.columns import TARGET_NAMES
from xaibench.analysis.ranks import SPOKEN, Rank, Ranked, Ranks, Spread, rank
from xaibench.analysis.stats import RESAMPLES
from xaibench.report.html.view import Run, SectionHtml, View
from xaibench.report.text import number

title, key, place = "Ranks", "ranks", 20

LANE, EDGE, LINE = 66, 7, 26
"""Width of a metric's lane, its margin, and the height of a line, in the picture's units."""
NAMED = 4


@dataclass(frozen=True)
class Mark:
    """One rank in the picture: where its dot and the ends of its interval are, and its words."""

    x: float
    low: float
    high: float
    text: str
    hint: str
    doubted: bool


def section(view: View) -> SectionHtml | None:
    """The picture, what stands out of it, and how alike the metrics' orders are."""
    panels = [_panel(view, run) for run in view.runs]
    if not any(panels):
        return None
    return SectionHtml(
        view.panels(panels),
        styles=("ranks.css",),
        lead="Every method's rank by every metric, 1 at the left and best. A line holds 95% of "
        f"{RESAMPLES:,} bootstrap resamples, each of the same images for all methods and metrics: "
        "where lines overlap, the order is not settled.",
    )


def _panel(view: View, run: Run) -> Markup | None:
    found = rank(run.source.scores, run.source.known)
    if not found.metrics:
        return None
    return view.render(
        "ranks.html.j2",
        run=run,
        ranks=found,
        target=TARGET_NAMES.get(found.target, found.target),
        lanes=[one.column for one in found.metrics],
        lines=[
            (row, [_mark(found, one, row.method) for one in found.metrics]) for row in found.rows
        ],
        counts=[one.n for one in found.metrics],
        size=(LANE, EDGE, LINE),
        apart=_apart(found),
        spoken=SPOKEN if any(one.n < SPOKEN for one in found.metrics) else None,
        matrix=_matrix(found),
        lost={one.column.header: one.lost for one in found.metrics if one.lost},
        label=run.source.known.label,
    )


def _mark(found: Ranks, metric: Ranked, method: str) -> Mark | None:
    held = metric.ranks.get(method)
    if held is None:
        return None
    words = f"{held.rank:g}" + _range(held)
    label = next(row.label for row in found.rows if row.method == method)
    hint = f"{label}, {metric.column.header}: rank {words} of {len(metric.ranks)}, n {metric.n:,}."
    return Mark(
        _x(held.rank, found),
        _x(held.low or held.rank, found),
        _x(held.high or held.rank, found),
        f"{held.rank:g}",
        hint,
        metric.unsure,
    )


def _x(rank: float, found: Ranks) -> float:
    """Where a rank is in its lane."""
    last = max(2, max(len(one.ranks) for one in found.metrics))
    return round(EDGE + (LANE - 2 * EDGE) * (rank - 1) / (last - 1), 2)


def _range(held: Rank) -> str:
    return "" if held.low is None else f" [{held.low:g}, {held.high:g}]"


def _apart(found: Ranks) -> dict[str, list[str]]:
    """Methods that two metrics rank apart, in words: metrics about the same first."""
    groups = dict.fromkeys(one.group for one in found.metrics if one.group)
    within = [one for group in groups for one in found.spread(group)]
    within.sort(key=lambda one: -one.gap)
    across = [one for one in found.spread() if one.best.group != one.worst.group]
    words = {"of the same kind": within, "of different kinds": across}
    return {kind: [_words(one) for one in held[:NAMED]] for kind, held in words.items() if held}


def _words(spread: Spread) -> str:
    said = [
        f"{one.ranks[spread.row.method].rank:g}{_range(one.ranks[spread.row.method])} by "
        f"{one.column.header}"
        for one in (spread.best, spread.worst)
    ]
    return f"{spread.row.label} ranks {' and '.join(said)}."


def _matrix(found: Ranks) -> list[tuple[str, list[tuple[str, int, str] | None]]]:
    """Kendall's tau of every two metrics: its words, the step of its colour, and its hint."""
    held = {(c.first, c.second): c for c in found.concords}
    names = [one.column.metric for one in found.metrics]
    heads = {one.column.metric: one.column.header for one in found.metrics}
    lines = []
    for i, first in enumerate(names):
        cells: list[tuple[str, int, str] | None] = []
        for j, second in enumerate(names):
            one = held.get((first, second)) or held.get((second, first))
            if i == j or one is None or one.tau is None:
                cells.append(None)
                continue
            ends = "" if one.low is None else f" [{number(one.low, 2)}, {number(one.high, 2)}]"
            hint = f"{heads[first]} and {heads[second]}: tau {number(one.tau, 2)}{ends}"
            size = sum(abs(one.tau) >= least for least in (0.1, 0.4, 0.7))
            hint += f", {one.methods} methods"
            cells.append((number(one.tau, 2), size if one.tau > 0 else -size, hint))
        lines.append((heads[first], cells))
    return lines
