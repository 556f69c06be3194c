"""Every method's rank by every metric, how sure it is, and where two metrics disagree.

Ranks are of means over images, with a bootstrap over images: each resample is of the same images
for all methods and metrics, so that what is hard for all moves no rank. A rank says less than its
interval (Goldstein & Spiegelhalter 1996, Journal of the Royal Statistical Society A 159, 385-443).
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from xaibench.analysis.columns import TARGET_NAMES, Column, column_of
from xaibench.analysis.concord import Concord, concord, measured
from xaibench.analysis.layout import table_rows
from xaibench.analysis.measure import Group, groups
from xaibench.analysis.stats import LEVEL, MIN_IMAGES, RESAMPLES, SEED, Floats, comparable, draws
from xaibench.analysis.types import Row
from xaibench.config.catalog import STAND_IN, STOOD_IN, Catalog, MetricDeclaration
from xaibench.published.tables import FORMS

if TYPE_CHECKING:
    import pandas as pd

K = TypeVar("K", bound=Hashable)

SPOKEN = 20
"""Images below which no rank is said to differ from another (`docs/ranks.md`)."""


@dataclass(frozen=True)
class Rank:
    """A method by one metric: 1 is best, equal means share; 95% of the resamples are in between.

    `low` and `high` are None with fewer than two images. Between `least` and `most` all ranks of
    the page are at once (Bonferroni): what is said of single ones rests on these (`docs/ranks.md`).
    """

    rank: float
    low: float | None
    high: float | None
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Ranked:
    """One metric: over how many images its means are, and the rank of each method by spec.

    `lost` are the methods that have too few of its images; `group` is what the metric is about.
    """

    column: Column
    n: int
    ranks: Mapping[str, Rank]
    lost: tuple[str, ...] = ()
    group: str = ""

    @property
    def unsure(self) -> bool:
        """Whether so few images decide nothing."""
        return self.n < MIN_IMAGES


@dataclass(frozen=True)
class Spread:
    """A method, the metric that ranks it best, the one that does worst, and the ranks between."""

    row: Row
    best: Ranked
    worst: Ranked
    gap: float


@dataclass(frozen=True)
class Ranks:
    """All ranks of a run for one target, on images without a transform.

    unranked: (metric's title, why) of metrics that rank nothing.
    """

    target: str
    rows: tuple[Row, ...]
    metrics: tuple[Ranked, ...]
    concords: tuple[Concord, ...]
    unranked: tuple[tuple[str, str], ...] = ()

    def spread(self, group: str | None = None) -> list[Spread]:
        """Methods that two metrics surely rank apart (`least`, `most`); the widest first.

        group: of metrics about this alone. Of metrics that rank the same methods, and not all
        alike; those on fewer than `SPOKEN` images are left out.
        """
        telling = [
            one
            for one in self.metrics
            if group in (None, one.group) and one.n >= SPOKEN and len(_ends(one)) > 1
        ]
        found = []
        for methods in dict.fromkeys(frozenset(one.ranks) for one in telling):
            held = [one for one in telling if one.ranks.keys() == methods]
            for row in self.rows if len(held) > 1 else ():
                if row.method in methods:
                    best = min(held, key=lambda one: _ends(one)[row.method][1])
                    worst = max(held, key=lambda one: _ends(one)[row.method][0])
                    gap = _ends(worst)[row.method][0] - _ends(best)[row.method][1]
                    found += [Spread(row, best, worst, gap)] if gap > 0 else []
        return sorted(found, key=lambda one: (-one.gap, one.row.method))


def _ends(metric: Ranked) -> dict[str, tuple[float, float]]:
    """Between which ranks each method surely is; nothing where all share one or none is known."""
    known = {
        method: (one.least, one.most)
        for method, one in metric.ranks.items()
        if one.least is not None and one.most is not None
    }
    return known if len({one.rank for one in metric.ranks.values()}) > 1 else {}


@dataclass(frozen=True)
class Values:
    """Values (n, M) of the methods that a metric ranks, larger is better, and which images."""

    methods: tuple[str, ...]
    images: NDArray[np.int64]
    values: Floats


def rank(
    scores: pd.DataFrame,
    catalog: Catalog,
    *,
    target: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Ranks:
    """Rank the methods of a run by each metric that two of them have.

    Args:
        scores: tidy frame, one row an image, method, target, transform, variation and metric.
        catalog: says which direction is better.
        target: the explained class; by default the first that there are scores of.
        resamples: number of bootstrap resamples.
        seed: same seed, same ranks.
    """
    plain = scores[scores["transform"] == "none"]
    target = target or main_target(set(map(str, plain["target"].unique())))
    some = plain[plain["target"] == target]
    cells = cells_of(some, catalog)
    named = sorted((m for m in cells if len(cells[m]) > 1), key=order)
    why = {m: why_not(catalog.metric(m)) for m in named}
    held = {m: values(cells[m], catalog.metric(m).direction) for m in named if not why[m]}
    held = {metric: one for metric, one in held.items() if len(one.methods) > 1}
    means = resampled(held, int(some["image"].nunique()), resamples, seed)
    specs = {method for one in held.values() for method in one.methods}
    many = sum(len(one.methods) for one in held.values())
    orders = {metric: measured(one.methods, one.values) for metric, one in held.items()}
    return Ranks(
        target=target,
        rows=table_rows(specs, catalog),
        metrics=tuple(
            Ranked(
                column_of(metric, catalog, float(np.abs(one.values.mean(axis=0)).max())),
                len(one.images),
                dict(zip(one.methods, ranks(one, means[metric], many), strict=True)),
                tuple(sorted(set(cells[metric]) - set(one.methods))),
                catalog.metric(metric).group,
            )
            for metric, one in held.items()
        ),
        concords=tuple(
            concord((one, two), orders[one], orders[two]) for one, two in combinations(orders, 2)
        ),
        unranked=tuple((catalog.metric(m).title, why[m]) for m in named if why[m]),
    )


def main_target(targets: Collection[str]) -> str:
    """The first of some targets in the paper's order, else by name; "" where there is none."""
    return next((one for one in TARGET_NAMES if one in targets), min(targets, default=""))


def cells_of(scores: pd.DataFrame, catalog: Catalog) -> dict[str, dict[str, Group]]:
    """Metric -> method, unless what it is decides the metric -> its values by image.

    scores: of one target and one transform.
    """
    cells: dict[str, dict[str, Group]] = {}
    for key, group in groups(scores):
        if len(group.images) and not catalog.settled(key.metric, key.method):
            cells.setdefault(key.metric, {})[key.method] = group
    return cells


def why_not(declared: MetricDeclaration) -> str:
    """Why a metric ranks nothing; "" where it does."""
    if declared.direction == "none":
        return "nobody says which direction is better"
    return STOOD_IN if declared.explains == STAND_IN else ""


def order(metric: str) -> tuple[int, str]:
    """Metrics as the paper has them, then by name."""
    known = list(FORMS)
    return (known.index(metric) if metric in known else len(known), metric)


def values(cells: Mapping[str, Group], direction: str) -> Values:
    """The values of the methods that are `comparable`, on the images that all of them have."""
    enough = comparable([len(group.images) for group in cells.values()])
    methods = tuple(sorted(m for m, ok in zip(cells, enough, strict=True) if ok))
    shared = cells[methods[0]].images
    for method in methods[1:]:
        shared = np.intersect1d(shared, cells[method].images)
    if not len(shared):
        return Values((), shared, np.empty((0, 0)))
    columns = []
    for group in map(cells.__getitem__, methods):
        places = np.searchsorted(group.images, shared)
        columns.append(group.sums[places] / group.counts[places])
    stacked = np.stack(columns, axis=1)
    return Values(methods, shared, stacked if direction == "higher" else -stacked)


def resampled(held: Mapping[K, Values], images: int, resamples: int, seed: int) -> dict[K, Floats]:
    """Means (R, M) of every resample of so many images; NaN where it has none of a metric's."""
    parts: dict[K, list[Floats]] = {metric: [] for metric in held}
    for weights in draws(images, resamples, seed) if held else ():
        for metric, one in held.items():
            own = weights[:, one.images]
            total = own.sum(axis=1, keepdims=True)
            with np.errstate(invalid="ignore"):
                parts[metric].append(own @ one.values / np.where(total > 0, total, np.nan))
    return {metric: np.concatenate(part) for metric, part in parts.items()}


def ranks(one: Values, means: Floats, many: int) -> list[Rank]:
    """The ranks of a metric's methods, of so many on the page; means: (R, M) of `resampled`."""
    from scipy.stats import rankdata

    point = rankdata(-one.values.mean(axis=0))
    if len(one.images) < 2:
        return [Rank(float(rank), None, None) for rank in point]
    drawn = rankdata(-means[np.isfinite(means).all(axis=1)], axis=1)
    tail = (1 - LEVEL) / 2
    tails = (tail, 1 - tail, tail / many, 1 - tail / many)
    ends = np.quantile(drawn, tails, axis=0, method="inverted_cdf")
    return [Rank(*map(float, held)) for held in zip(point, *ends, strict=True)]
