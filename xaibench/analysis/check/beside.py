"""The method beside controls and standards, paired over images, all comparisons corrected at once.

By a metric the method is better (or worse) than another where the two-sided sign-flip p of the mean
difference, corrected by Holm for all comparisons of the check in which an image differs, is below
`ALPHA` on at least `MIN_IMAGES` images; else it is undecided. The null is that the two methods are
exchangeable on every image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xaibench.analysis.check.evidence import BETTER, UNDECIDED, WORSE, Beside
from xaibench.analysis.columns import TARGET_NAMES, Column, column_of
from xaibench.analysis.effects import ROUNDING
from xaibench.analysis.intervals import Sample, alike, intervals
from xaibench.analysis.measure import AVERAGED
from xaibench.analysis.paired import holm, sign_flip_p, smallest_p
from xaibench.analysis.stats import MIN_IMAGES, Floats
from xaibench.config.catalog import STAND_IN, Catalog
from xaibench.config.specs import key_of
from xaibench.errors import XaibenchError
from xaibench.published.tables import FORMS

if TYPE_CHECKING:
    import pandas as pd

    Cells = Mapping[tuple[str, str], pd.Series[float]]
    """Each image's value, by (method, metric)."""

ALPHA = 0.01
"""Of the corrected p. At 0.05 more than 5% of checks tell methods of equal means apart where one's
values are skewed and the other's constant: these are not exchangeable (docs/statistics.md)."""

Place = tuple[str, str]
"""Metric and the other method."""


@dataclass(frozen=True)
class Pair:
    """Values (n,) of the method and of another on the same images, in natural units."""

    images: tuple[str, ...]
    mine: Floats
    other: Floats


def one_target(scores: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows of untouched images for the first target that there is, and its name."""
    plain = scores[scores["transform"].astype(str) == "none"]
    found = set(plain["target"].astype(str))
    if not found:
        raise XaibenchError("a check needs scores of untouched images: run it without --transform.")
    target = next((name for name in TARGET_NAMES if name in found), min(found))
    return plain[plain["target"].astype(str) == target], target


def cells_of(rows: pd.DataFrame) -> Cells:
    """Each image's value by method and metric; rows that are in no mean are left out.

    Raises XaibenchError for an image that is twice.
    """
    kept = rows[np.isfinite(rows["value"].to_numpy(float))]
    if "status" in kept:
        kept = kept[kept["status"].astype(str).isin(AVERAGED)]
    kept = kept.astype({"method": str, "metric": str, "image": str})
    cells = {}
    for (method, metric), part in kept.groupby(["method", "metric"], sort=False):
        values = part.set_index("image")["value"].astype(float).sort_index()
        if values.index.has_duplicates:
            raise XaibenchError(
                f"scores hold an image twice for method {method}, metric {metric}: hand over one "
                "run, one target and no transform."
            )
        cells[str(method), str(metric)] = values
    return cells


def columns_of(cells: Cells, catalog: Catalog) -> dict[str, Column]:
    """How every metric is printed, in the paper's order, then the others by name.

    Without a direction where it takes a stand-in's explanation: no value of it is a method's own.
    """
    largest: dict[str, float] = {}
    for (_, metric), values in cells.items():
        largest[metric] = max(largest.get(metric, 0.0), abs(float(values.mean())))
    order = list(FORMS)

    def place(metric: str) -> tuple[int, str]:
        key = key_of(metric)
        return (order.index(key) if key in order else len(order)), metric

    columns = {m: column_of(m, catalog, largest[m]) for m in sorted(largest, key=place)}
    return {
        m: replace(c, higher_is_better=None) if catalog.metric(m).explains == STAND_IN else c
        for m, c in columns.items()
    }


def pairs_of(
    cells: Cells,
    method: str,
    others: Iterable[str],
    columns: Mapping[str, Column],
    catalog: Catalog,
) -> dict[Place, Pair]:
    """The method and each other on the images of both, by metrics that have a direction.

    What differs by no more than rounding is equal. Left out: what a map that never
    changes decides.
    """
    pairs = {}
    listed = [other for other in dict.fromkeys(others) if other != method]
    for metric, column in columns.items():
        mine = cells.get((method, metric))
        if mine is None or column.higher_is_better is None:
            continue
        for other in listed:
            if catalog.settled(metric, method, other):
                continue
            if (other, metric) in cells:
                theirs = cells[other, metric]
                shared = mine.index.intersection(theirs.index)
                if len(shared):
                    a, b = (np.asarray(x[shared], np.float64) for x in (mine, theirs))
                    equal = np.isclose(a, b, rtol=ROUNDING, atol=ROUNDING)
                    pairs[metric, other] = Pair(tuple(shared), a, np.where(equal, a, b))
    return pairs


def p_values(pairs: Mapping[Place, Pair], seed: int) -> dict[Place, float]:
    """Two-sided sign-flip p of every pair's mean difference."""
    found: dict[Place, float] = {}
    for members in alike(pairs, lambda place: pairs[place].images):
        changes = np.stack([pairs[p].mine - pairs[p].other for p in members], axis=1)
        found.update(zip(members, sign_flip_p(changes, seed=seed).tolist(), strict=True))
    return found


def differing(pairs: Mapping[Place, Pair]) -> list[Place]:
    """Those of which any image differs.

    Whatever the signs, the p of the others is 1: no correction need count them (Tarone 1990,
    https://doi.org/10.2307/2531456).
    """
    return [place for place, pair in pairs.items() if not np.array_equal(pair.mine, pair.other)]


def corrected(p: Mapping[Place, float], pairs: Mapping[Place, Pair]) -> dict[Place, float]:
    """Holm's correction over all pairs of which any image differs; 1 for the others."""
    counted = differing(pairs)
    adjusted = holm(np.array([p[place] for place in counted]))
    return {**dict.fromkeys(pairs, 1.0), **dict(zip(counted, adjusted.tolist(), strict=True))}


def verdict(pair: Pair, column: Column, adjusted: float, alpha: float = ALPHA) -> str:
    """`BETTER`, `WORSE` or `UNDECIDED`."""
    if adjusted >= alpha or len(pair.images) < MIN_IMAGES:
        return UNDECIDED
    gain = column.scale * float((pair.mine - pair.other).mean())
    return BETTER if (gain > 0) is bool(column.higher_is_better) else WORSE


def needed(comparisons: int) -> int:
    """The images from which on one of so many comparisons can be decided, if all of them differ."""
    least = MIN_IMAGES
    while smallest_p(least) * comparisons >= ALPHA and smallest_p(least + 1) < smallest_p(least):
        least += 1
    return least


def besides(
    pairs: Mapping[Place, Pair],
    p: Mapping[Place, float],
    columns: Mapping[str, Column],
    controls: Iterable[str],
    seed: int,
) -> tuple[Beside, ...]:
    """Every comparison in the units of its metric's column, with its verdict."""
    adjusted, held = corrected(p, pairs), set(controls)
    samples = {k: Sample(pair.images, pair.mine - pair.other) for k, pair in pairs.items()}
    ends = intervals(samples, seed=seed)
    found = []
    for (metric, other), pair in pairs.items():
        column, change = columns[metric], samples[metric, other].sums
        low, high, unsure = ends[metric, other]
        gain = column.scale * change * (1 if column.higher_is_better else -1)
        one = Beside(
            other=other,
            control=other in held,
            metric=metric,
            column=column,
            n=len(change),
            apart=int((change != 0).sum()),
            mean=column.printed(float(pair.mine.mean())),
            other_mean=column.printed(float(pair.other.mean())),
            difference=column.scale * float(change.mean()),
            low=None,
            high=None,
            unsure=unsure,
            share=float((gain > 0).mean() + 0.5 * (gain == 0).mean()),
            p=p[metric, other],
            adjusted=adjusted[metric, other],
            verdict=verdict(pair, column, adjusted[metric, other]),
        )
        if low is not None and high is not None:
            first, last = sorted((column.scale * low, column.scale * high))
            one = replace(one, low=first, high=last)
        found.append(one)
    return tuple(found)
