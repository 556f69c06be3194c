"""Which two methods keep their order in several runs, by the mean difference over images.

A pair that has to differ in every run needs no correction for the number of runs, since all of the
tests have to find it (intersection-union; Berger 1982, Technometrics 24, 295-300).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from xaibench.analysis.effects import differences
from xaibench.analysis.intervals import Sample, intervals
from xaibench.analysis.ranks import Values
from xaibench.analysis.stats import excludes_zero


@dataclass(frozen=True)
class Difference:
    """Mean difference of two methods in one run, natural units, positive where the first is better.

    n: images. low, high: its 95% interval over images; None with fewer than two. unsure: whether
    such an interval holds it in under 90% of the cases, or there is none.
    """

    n: int
    mean: float
    low: float | None
    high: float | None
    unsure: bool

    @property
    def sign(self) -> int:
        """1 where the first is better, -1 where the second is, 0 where they are equal."""
        return int(np.sign(self.mean))

    @property
    def sure(self) -> bool:
        """Whether the interval excludes 0."""
        return excludes_zero(self.low, self.high)


@dataclass(frozen=True)
class Kept:
    """Two methods by one metric. by_run: their difference by the name of the run.

    paper: 1 where the paper prints a better mean of the first, -1 of the second, 0 for equal ones;
    None where it does not print both.
    """

    first: str
    second: str
    by_run: Mapping[str, Difference]
    paper: int | None = None

    @property
    def everywhere(self) -> int:
        """1 where the first is better in every run, -1 where the second is, else 0."""
        signs = {one.sign for one in self.by_run.values()}
        return signs.pop() if len(signs) == 1 else 0

    @property
    def differ(self) -> bool:
        """Whether the two differ in any run; else there is no order to keep."""
        return any(one.mean for one in self.by_run.values())

    @property
    def surely(self) -> bool:
        """Whether it keeps its order by an interval that excludes 0 in every run."""
        return bool(self.everywhere) and all(one.sure for one in self.by_run.values())

    @property
    def unsure(self) -> bool:
        """Whether an interval is not to be trusted."""
        return any(one.unsure for one in self.by_run.values())


def kept_pairs(
    held: Mapping[tuple[str, str], Values], methods: Sequence[str], resamples: int, seed: int
) -> dict[str, list[Kept]]:
    """Every two methods by each metric.

    held: the values of each (run, metric); the runs of a metric have the same methods. methods: all
    of them, in the order in which pairs name them.
    """
    samples: dict[tuple[str, str, str, str], Sample] = {}
    for (run, metric), one in held.items():
        for first, second in combinations((m for m in methods if m in one.methods), 2):
            x, y = (one.values[:, one.methods.index(m)] for m in (first, second))
            samples[metric, first, second, run] = Sample(one.images.tobytes(), differences(x, y))
    ends = intervals(samples, resamples=resamples, seed=seed)
    by: dict[tuple[str, str, str], dict[str, Difference]] = {}
    for (*pair, run), sample in samples.items():
        metric, first, second = pair
        n, (low, high, doubt) = len(sample.sums), ends[metric, first, second, run]
        found = Difference(n, float(sample.sums.mean()), low, high, doubt or n < 2)
        by.setdefault((metric, first, second), {})[run] = found
    pairs: dict[str, list[Kept]] = {}
    for (metric, first, second), runs in by.items():
        pairs.setdefault(metric, []).append(Kept(first, second, runs))
    return pairs
