"""Robustness of the verdicts: mean, rank and verdict under every switch and order of ties.

A switch flips a verdict against a control where a verdict is lost (it is undecided or the contrary
afterwards, corrected by Holm as before) or where an undecided one becomes a verdict with a p that
is corrected for the number of switches as well.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from xaibench.analysis.check.beside import (
    ALPHA,
    Pair,
    Place,
    cells_of,
    corrected,
    p_values,
    pairs_of,
    verdict,
)
from xaibench.analysis.check.evidence import UNDECIDED, Evidence, Turned

if TYPE_CHECKING:
    from xaibench.analysis.check.beside import Cells
    from xaibench.analysis.columns import Column


def turned(
    evidence: Evidence,
    cells: Cells,
    pairs: Mapping[Place, Pair],
    p: Mapping[Place, float],
    columns: Mapping[str, Column],
    seed: int,
) -> tuple[Turned, ...]:
    """Each metric with a direction as the protocol has it, then under each switch that moves it.

    Where a method has no scores under a switch, the switch does not reach it: it keeps its own,
    but for what was to be scored and was not (`evidence.lost`), which has none. A method is set
    beside itself on the images of both.
    """
    method, switched, catalog = evidence.method, evidence.switched, evidence.catalog
    directed = [metric for metric, column in columns.items() if column.higher_is_better is not None]
    mine = [metric for metric in directed if (method, metric) in cells]
    first = {k: verdict(pairs[k], columns[k[0]], q) for k, q in corrected(p, pairs).items()}
    found = [*_placed("", mine, cells, method, columns, {})]
    names = list(dict.fromkeys(switched["switch"].astype(str)))
    held, others = set(evidence.controls), list(dict.fromkeys(other for _, other in pairs))
    for name in names:
        moved = cells_of(switched[switched["switch"].astype(str) == name])
        gone = {(who, what) for switch, who, what in evidence.lost if switch == name}
        both = {k: v.index.intersection(cells[k].index) for k, v in moved.items() if k in cells}
        rest = {k: v for k, v in cells.items() if k not in gone}
        base = {**rest, **{k: cells[k].loc[images] for k, images in both.items()}}
        after = {**rest, **{k: moved[k].loc[images] for k, images in both.items()}}
        metrics = [m for m in mine if (method, m) in after and any(what == m for _, what in both)]
        few = {metric: columns[metric] for metric in metrics}
        old, new = (pairs_of(c, method, others, few, catalog) for c in (base, after))
        before = first
        if any(old[k].images != pairs[k].images for k in old):
            again = {**pairs, **old}
            adjusted = corrected({**p, **p_values(old, seed)}, again)
            before = {k: verdict(again[k], columns[k[0]], q) for k, q in adjusted.items()}
        adjusted = corrected({**p, **p_values(new, seed)}, {**pairs, **new})
        flips: dict[str, list[tuple[str, str, str]]] = {}
        for (metric, other), pair in new.items():
            place = metric, other
            level = ALPHA / len(names) if before[place] == UNDECIDED else ALPHA
            now = verdict(pair, columns[metric], adjusted[place], level)
            if other in held and now != before[place]:
                flips.setdefault(metric, []).append((other, before[place], now))
        found += _placed(name, metrics, after, method, columns, flips)
    return tuple(found)


def _placed(
    switch: str,
    metrics: Iterable[str],
    cells: Cells,
    method: str,
    columns: Mapping[str, Column],
    flips: Mapping[str, Sequence[tuple[str, str, str]]],
) -> Iterator[Turned]:
    """Mean and rank by each metric, over the images that all methods have."""
    for metric in metrics:
        column = columns[metric]
        of = {who: values for (who, what), values in cells.items() if what == metric}
        images = functools.reduce(lambda a, b: a.intersection(b), [v.index for v in of.values()])
        if not len(images):
            continue
        exact = {who: column.printed(float(values[images].mean())) for who, values in of.items()}
        means = {who: round(mean, column.digits) for who, mean in exact.items()}
        sign = 1 if column.higher_is_better else -1
        rank = 1 + sum(sign * mean > sign * means[method] for mean in means.values())
        yield Turned(
            switch,
            metric,
            column,
            exact[method],
            len(images),
            rank,
            len(means),
            tuple(flips.get(metric, ())),
        )
