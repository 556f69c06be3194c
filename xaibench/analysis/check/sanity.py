"""Sanity tests: what a map must do when weights, class or image change, image by image.

Under weights drawn anew a map must be less than `CHANGED` alike; for another class less than
`OTHER_CLASS`; under small noise it must stay nearer to itself than under weights drawn anew. A test
is passed where the exact 95% interval of the share of images on which the map does so lies above
a half, failed where it lies below, undecided else and on fewer than `MIN_IMAGES` images. A share of
images asks nothing of how similarities are distributed. Source of the interval: Clopper & Pearson
1934.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from xaibench.analysis.check.evidence import (
    CLASS,
    FAILED,
    NOISE,
    PASSED,
    UNDECIDED,
    WEIGHTS,
    Sane,
)
from xaibench.analysis.effects import ROUNDING
from xaibench.analysis.intervals import Sample, intervals
from xaibench.analysis.stats import LEVEL, MIN_IMAGES, Floats

if TYPE_CHECKING:
    import pandas as pd

CHANGED = 0.5
"""Under weights drawn anew a map that is as alike as this has not changed."""
OTHER_CLASS = 0.9
"""For another class a map that is as alike as this has not changed."""
TESTS = (WEIGHTS, CLASS, NOISE)


def exact_interval(passes: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The ends of Clopper and Pearson's interval of a share, `passes` of `n` images."""
    from scipy.special import betaincinv

    tail = (1.0 - level) / 2.0
    low = betaincinv(passes, n - passes + 1, tail) if passes else 0.0
    high = betaincinv(passes + 1, n - passes, 1.0 - tail) if passes < n else 1.0
    return float(low), float(high)


def decide(passes: int, n: int) -> str:
    """`PASSED`, `FAILED` or `UNDECIDED`."""
    low, high = exact_interval(passes, n)
    if n < MIN_IMAGES or low <= 0.5 <= high:
        return UNDECIDED
    return PASSED if low > 0.5 else FAILED


def sanity(rows: pd.DataFrame, methods: Iterable[str], seed: int) -> tuple[Sane, ...]:
    """Every test of every method that has similarities, in the order of `methods`.

    An image's similarity is the mean of its rows; values that are not finite (a constant map has
    no order) are left out. Noise is held against weights on the images that have both, and has
    to be nearer by more than rounding.
    """
    kept = rows[np.isfinite(rows["value"].to_numpy(float))]
    kept = kept.astype({"test": str, "method": str, "image": str})
    by_image = kept.groupby(["method", "test", "image"])["value"].mean()
    held = {key: part.droplevel([0, 1]) for key, part in by_image.groupby(level=[0, 1])}
    found = []
    for method in dict.fromkeys(methods):
        drawn = held.get((method, WEIGHTS))
        for test in TESTS:
            values = held.get((method, test))
            if values is None or (test == NOISE and drawn is None):
                continue
            if test == NOISE and drawn is not None:
                values = values[values.index.intersection(drawn.index)]
                passes = values > drawn[values.index] + ROUNDING
            else:
                passes = values < (CHANGED if test == WEIGHTS else OTHER_CLASS)
            if len(values):
                numbers = values.to_numpy(np.float64)
                found.append(_sane(test, method, numbers, int(passes.sum()), seed))
    return tuple(found)


def _sane(test: str, method: str, values: Floats, passes: int, seed: int) -> Sane:
    n = len(values)
    low, high, unsure = intervals({"": Sample("", values)}, seed=seed)[""]
    mean, share = float(values.mean()), exact_interval(passes, n)
    return Sane(test, method, n, mean, low, high, unsure, passes, *share, decide(passes, n))
