"""Robustness of the verdicts: mean, rank and verdict under every switch and order of ties.

A switch flips a verdict against a control where a verdict is lost (it is undecided or the contrary
afterwards, corrected by Holm as before) or where an undecided one becomes a verdict with a p that
is corrected for the number of switches as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from xaibench.analysis.check.evidence import UNDECIDED, Turned

if TYPE_CHECKING:
    import pandas as pd

    from xaibench.analysis.check.beside import Cells
    from xaibench.analysis.columns import Column


def turned(
    cells: Cells,
    switched: pd.DataFrame,
    method: str,
    pairs: Mapping[Place, Pair],
    p: Mapping[Place, float],
    columns: Mapping[str, Column],
    controls: Iterable[str],
    seed: int,
) -> tuple[Turned, ...]:
    """Each metric with a direction as the protocol has it, then under each switch that moves it.

    Where a method has no scores under a switch, the switch does not reach it: it keeps its own.
    """
    directed = [m for m, column in columns.items() if column.higher_is_better is not None]
    mine = [metric for metric in directed if (method, metric) in cells]
    before = {k: verdict(pairs[k], columns[k[0]], q) for k, q in corrected(p, pairs).items()}
    found = [_placed("", metric, cells, method, columns[metric], ()) for metric in mine]
    names = list(dict.fromkeys(switched["switch"].astype(str)))
    held, others = set(controls), list(dict.fromkeys(other for _, other in pairs))
    for name in names:
        moved = cells_of(switched[switched["switch"].astype(str) == name])
        after = {**cells, **moved}
        metrics = [m for m in mine if any(metric == m for _, metric in moved)]
        new = pairs_of(after, method, others, {m: columns[m] for m in metrics})
        new = {k: pair for k, pair in new.items() if k in pairs}  # what had a verdict before
        adjusted = corrected({**p, **p_values(new, seed)}, {**pairs, **new})
        for metric in metrics:
            flips = []
            for place in (k for k in new if k[0] == metric and k[1] in held):
                level = ALPHA / len(names) if before[place] == UNDECIDED else ALPHA
                now = verdict(new[place], columns[metric], adjusted[place], level)
                if now != before[place]:
                    flips.append((place[1], before[place], now))
            found.append(_placed(name, metric, after, method, columns[metric], tuple(flips)))
    return tuple(found)


def _placed(
    switch: str,
    metric: str,
    cells: Cells,
    method: str,
    column: Column,
    flips: tuple[tuple[str, str, str], ...],
) -> Turned:
    means = {
        who: round(column.printed(float(values.mean())), column.digits)
        for (who, what), values in cells.items()
        if what == metric
    }
    sign = 1 if column.higher_is_better else -1
    ahead = sum(sign * mean > sign * means[method] for mean in means.values())
    exact = column.printed(float(cells[method, metric].mean()))
    return Turned(switch, metric, column, exact, 1 + ahead, len(means), flips)
