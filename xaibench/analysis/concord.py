"""How alike two orders of the same methods are: Kendall's tau-b, with an interval.

The interval is by inversion of tests, as for ranks in Mogstad, Romano, Shaikh & Wilhelm (2024,
Review of Economic Studies 91, 476-518): which of two methods is better in truth is known where a
test of their difference over images says so after correction for all pairs of both orders; the true
tau is between the two that are had with every other pair taken for, and against. The test takes
differences to be symmetric (docs/tau.md). A bootstrap of tau itself gives no interval: a resample
adds noise to both orders, so that among methods that are close it lies below the tau of all images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xaibench.analysis.paired import sign_flip_p
from xaibench.analysis.stats import LEVEL, Floats, excludes_zero


@dataclass(frozen=True)
class Order:
    """Methods by one metric.

    signs: (M, M), 1 where the row's method is better by the mean, -1 where the column's is. p:
    (M, M), of the test that they are equal; None where the order is known, as a printed one is.
    """

    methods: tuple[str, ...]
    signs: Floats
    p: Floats | None


@dataclass(frozen=True)
class Concord:
    """Two metrics, or runs: Kendall's tau-b of their orders of the methods that both rank.

    1: the same order, 0: unrelated, -1: the opposite; None where it is not defined. low, high: the
    95% interval of the true one.
    """

    first: str
    second: str
    methods: int
    tau: float | None
    low: float | None
    high: float | None

    @property
    def sure(self) -> bool:
        """Whether the interval excludes 0."""
        return excludes_zero(self.low, self.high)


def measured(methods: tuple[str, ...], values: Floats) -> Order:
    """The order of methods by the means of their values (n, M) over images, larger is better."""
    many = len(methods)
    i, j = np.triu_indices(many, 1)
    p = np.ones((many, many))
    p[i, j] = p[j, i] = sign_flip_p(values[:, i] - values[:, j])
    return Order(methods, _signs(values.mean(axis=0)), p)


def known(methods: tuple[str, ...], means: Floats) -> Order:
    """The order of methods by means (M,) that are not estimates, larger is better."""
    return Order(methods, _signs(means), None)


def concord(names: tuple[str, str], a: Order, b: Order) -> Concord:
    """How alike two orders are."""
    both = [method for method in a.methods if method in b.methods]
    tests = len(both) * (len(both) - 1) // 2 * ((a.p is not None) + (b.p is not None))
    found, sure = zip(*(_pairs(one, both, tests) for one in (a, b)), strict=True)
    tau = tau_b(*found)
    if tau is None:
        return Concord(*names, len(both), None, None, None)
    return Concord(*names, len(both), tau, -_most(-sure[0], sure[1]), _most(*sure))


def tau_b(a: Floats, b: Floats) -> float | None:
    """Kendall's tau-b of two orders by the signs (P,) of all pairs; None where one is all ties."""
    scale = math.sqrt(np.count_nonzero(a) * np.count_nonzero(b))
    return float((a * b).sum() / scale) if scale else None


def _signs(means: Floats) -> Floats:
    return np.sign(means[:, None] - means[None, :])


def _pairs(one: Order, methods: list[str], tests: int) -> tuple[Floats, Floats]:
    """The signs (P,) of all pairs of some methods, by the means and for sure: NaN where neither."""
    at = np.ix_(*[[one.methods.index(method) for method in methods]] * 2)
    signs, upper = one.signs[at], np.triu_indices(len(methods), 1)
    if one.p is None:
        return signs[upper], signs[upper]
    better = (one.p[at] <= (1 - LEVEL) / max(tests, 1)) & (signs > 0)
    for k in range(len(methods)):  # better than one that is better than a third
        better |= better[:, k : k + 1] & better[k]
    sure = np.where(better, 1.0, np.where(better.T, -1.0, np.nan))
    return signs[upper], sure[upper]


def _most(a: Floats, b: Floats) -> float:
    """The largest tau-b of two orders whose signs (P,) are known in part; NaN where not."""
    free_a, free_b = np.isnan(a), np.isnan(b)
    beside_tie: NDArray[np.bool_] = (free_a & (b == 0)) | (free_b & (a == 0))
    products = np.where((free_a | free_b) & ~beside_tie, 1.0, np.nan_to_num(a) * np.nan_to_num(b))
    # Whether a free one beside a tie is a tie itself moves the denominator alone.
    total = float(products.sum())
    untied = [
        np.count_nonzero(np.where(free, ~beside_tie | (total < 0), one != 0))
        for free, one in ((free_a, a), (free_b, b))
    ]
    return min(1.0, total / math.sqrt(max(math.prod(untied), 1)))
