"""How many images a mean needs, and how many it takes to tell two methods apart.

From the spread between images of a run at hand. A mean needs so many that its 95% interval, by
Student's t (Wilson's where every value is 0 or 1), is no wider than asked; two methods so many that
the paired t-test of their difference over images, two-sided at 5%, finds a difference as large as
the one seen in 90% of the runs (by the noncentral F of its square). Both take the spread, and the
latter the difference, as if they were known: they are as sure as these are. Noise alone makes a
difference that some hundred images seem to find, so the same is said for the ends of its interval.
Source: Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, chapter 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np

from xaibench.analysis.columns import TARGET_NAMES, Column, column_of
from xaibench.analysis.compare import Source
from xaibench.analysis.effects import differences
from xaibench.analysis.layout import table_rows
from xaibench.analysis.measure import Group, Key, groups
from xaibench.analysis.ranks import order as by_paper
from xaibench.analysis.stats import LEVEL, Floats, unsure
from xaibench.config.catalog import Catalog
from xaibench.errors import XaibenchError

WIDTHS = (1.0, 2.0)
"""Half widths of an interval: points, hundredths of what a metric can range over."""
POWER = 0.9
FAR = 12.0
"""Critical values from 0 at which the test misses a difference in less than 1 of 10^30 runs, with
two images too; farther out SciPy's distributions are NaN in places."""
MOST = 10**9
"""Images above which a number says nothing."""


@dataclass(frozen=True)
class Mean:
    """A mean over images. spread: standard deviation between images, in natural units.

    needed: images for each of WIDTHS; None where the metric has no bounds, so that a point is
    nothing, or with fewer than two images. images: those it stands on. unsure: whether these are
    no ground for a spread (`stats.unsure`).
    """

    key: Key
    images: int
    spread: float | None
    needed: tuple[int | None, ...]
    unsure: bool = False


@dataclass(frozen=True)
class Apart:
    """Two methods by one metric, on the images that both have.

    difference: mean of the first less the second, natural units; low, high: its 95% interval by
    Student's t. needed: images that tell them apart; least and most: the same for the ends of the
    interval, most is None where it holds 0. All are None where nothing differs. unsure: as of a
    mean.
    """

    first: Key
    second: Key
    images: int
    difference: float
    low: float | None
    high: float | None
    needed: int | None
    least: int | None
    most: int | None
    unsure: bool = False

    def told(self, images: int) -> bool:
        """Whether so many images tell them apart, if they differ by as much as here."""
        return self.needed is not None and self.needed <= images

    def surely_told(self, images: int) -> bool:
        """Whether they do at the end of the interval where the two differ least."""
        return self.most is not None and self.most <= images

    def perhaps_told(self, images: int) -> bool:
        """Whether they do at the end of the interval where the two differ most."""
        return self.least is not None and self.least <= images


@dataclass(frozen=True)
class Needed:
    """What a run says of the images that its means and pairs of methods need."""

    targets: tuple[str, ...]
    columns: tuple[Column, ...]
    means: tuple[Mean, ...]
    pairs: tuple[Apart, ...]
    catalog: Catalog

    def by(self, metric: str, target: str) -> list[Apart]:
        """The pairs by one metric for one target."""
        return [p for p in self.pairs if (p.first.metric, p.first.target) == (metric, target)]


def power(source: Source) -> Needed:
    """The images that each mean and each pair of methods of a run needs, on untouched images.

    Raises:
        XaibenchError: there are no scores of untouched images, or scores of more than one run.
    """
    scores, catalog = source.scores, source.known
    plain = scores[scores["transform"] == "none"]
    cells = {key: group for key, group in groups(plain) if len(group.images)}
    if not cells:
        raise XaibenchError(
            f"{source.name} has no scores of untouched images: start with `xaibench run`."
        )
    order = [row.method for row in table_rows((key.method for key in cells), catalog)]
    targets = tuple(t for t in TARGET_NAMES if any(key.target == t for key in cells))
    known = sorted({key.metric for key in cells}, key=by_paper)
    keys = [
        Key(method, target, "none", metric)
        for target in targets
        for metric in known
        for method in order
        if Key(method, target, "none", metric) in cells
    ]
    return Needed(
        targets,
        tuple(column_of(metric, catalog, 1.0) for metric in known),
        tuple(_mean(key, cells[key], catalog) for key in keys),
        tuple(_pairs(keys, cells)),
        catalog,
    )


def _mean(key: Key, group: Group, catalog: Catalog) -> Mean:
    values, declared = group.sums / group.counts, catalog.metric(key.metric)
    binary, bounds = declared.binary and group.binary, declared.bounds
    doubt = bool(unsure(values[:, None], np.ones((len(values), 1)), binary)[0])
    if len(values) < 2:
        return Mean(key, len(values), None, (None,) * len(WIDTHS), doubt)
    spread, share = float(values.std(ddof=1)), float(values.mean())
    point = (bounds[1] - bounds[0]) / 100.0 if bounds else None
    halves = [width * point if point else None for width in WIDTHS]
    within = partial(images_of_share, share) if binary else partial(images_within, spread)
    needed = tuple(None if half is None else within(half) for half in halves)
    return Mean(key, len(values), spread, needed, doubt)


def _pairs(keys: Sequence[Key], cells: dict[Key, Group]) -> Iterator[Apart]:
    """Every two methods by each metric and target."""
    for one, two in combinations(keys, 2):
        if (one.metric, one.target) == (two.metric, two.target):
            a, b = cells[one], cells[two]
            shared, first, second = np.intersect1d(
                a.images, b.images, assume_unique=True, return_indices=True
            )
            if len(shared):
                x, y = (g.sums[i] / g.counts[i] for g, i in ((a, first), (b, second)))
                yield apart(one, two, differences(x, y))


def apart(first: Key, second: Key, between: Floats) -> Apart:
    """Two methods by the differences between them (n,), image by image."""
    n, mean = len(between), float(between.mean())
    doubt = bool(unsure(between[:, None], np.ones((n, 1)))[0])
    if n < 2 or not between.any():
        return Apart(first, second, n, mean, None, None, None, None, None, doubt)
    spread = float(between.std(ddof=1))
    half = student(n - 1) * spread / math.sqrt(n)
    low, high = mean - half, mean + half
    near, far = sorted((abs(low), abs(high)))
    return Apart(
        first,
        second,
        n,
        mean,
        low,
        high,
        images_apart(mean, spread),
        images_apart(far, spread),
        images_apart(near, spread) if low > 0 or high < 0 else None,
        doubt,
    )


def student(freedom: float) -> float:
    """Half the width of a 95% interval in standard errors."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1.0 + LEVEL) / 2.0))


def images_within(spread: float, half: float) -> int:
    """The least images (2 or more) for a 95% interval of a mean within `half` to either side."""
    return _least(lambda n: student(n - 1) * spread / math.sqrt(n) <= half) or MOST


def images_of_share(share: float, half: float) -> int:
    """The least images (2 or more) for Wilson's 95% interval of a share to be twice `half` wide."""
    from scipy.special import ndtri

    square = float(ndtri((1.0 + LEVEL) / 2.0)) ** 2

    def enough(n: int) -> bool:
        return math.sqrt(square * share * (1 - share) * n + square**2 / 4) <= half * (n + square)

    return _least(enough) or MOST


def images_apart(difference: float, spread: float) -> int | None:
    """The least images with which the paired t-test finds a difference in `POWER` of the runs.

    None where that takes more than `MOST`, as where there is no difference.
    """
    if not difference:
        return None
    return _least(lambda n: power_of(difference, spread, n) >= POWER)


def power_of(difference: float, spread: float, images: int) -> float:
    """How often the two-sided paired t-test at 5% finds a true difference, by its spread."""
    from scipy.special import ncfdtr  # of t squared: the noncentral t itself is NaN nearby

    if not spread:
        return float(difference != 0)
    centre, end = abs(difference) / spread * math.sqrt(images), student(images - 1)
    if centre > FAR * end:
        return 1.0
    return float(1.0 - ncfdtr(1, images - 1, centre**2, end**2))


def _least(enough: Callable[[int], bool]) -> int | None:
    """The least n from 2 to `MOST` that is enough, where more is always enough too."""
    low, high = 1, 2
    while not enough(high):
        if high >= MOST:
            return None
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
