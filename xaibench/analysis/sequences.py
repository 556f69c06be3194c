"""Intervals and p-values that hold whenever one looks, so that a run may stop when it is sure.

What is bounded is bet on (Waudby-Smith & Ramdas 2024, JRSS B 86, hedged capital): under a mean the
capital of fair bets is a nonnegative martingale, which Ville's inequality keeps under 1 / alpha at
all times at once. Intervals are for the mean of a finite set whose images come in a drawn order
(their section on sampling without replacement; Waudby-Smith & Ramdas 2020, NeurIPS 33): what is
left of the set is known ever better, and with all of it the interval is the mean itself. p-values
are for the distribution that images come from, as those of the fixed tests are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xaibench.analysis.stats import LEVEL, Floats

SIDE = math.log(2.0 / (1.0 - LEVEL))
"""The logarithm of the capital from which one side leaves a mean out: half of 5% each."""
MOST = 0.5
"""The part of the capital that a bet may lose at most."""
STEPS = 20
"""Halvings that find an end: to 1e-6 of the range."""
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Seen:
    """The first n of a set's units in a drawn order, values in [0, 1].

    A unit is an image, or several that depend on each other. sums: (n,) sum of its values. counts:
    (n,) how many these are, 0 where none is usable. most: how many a unit can have. units: how
    many the set has. The mean is sums over counts; where a value is missing, the one that is tested
    takes its place, which leaves the set's mean at that value where it was there.
    """

    sums: Floats
    counts: Floats
    units: int
    most: int = 1

    @property
    def mean(self) -> float:
        """The mean so far."""
        return float(self.sums.sum() / self.counts.sum())

    @property
    def least(self) -> float:
        """The set's mean if all values that are left are 0."""
        missing = (self.most - self.counts).sum()
        return float(self.sums.sum() / (self.units * self.most - missing))

    @property
    def mirrored(self) -> Seen:
        """The same of 1 minus each value."""
        return Seen(self.counts - self.sums, self.counts, self.units, self.most)

    @cached_property
    def left(self) -> Floats:
        """(n,) units of the set that were left before each."""
        return self.units - np.arange(len(self.sums), dtype=np.float64)

    @cached_property
    def spread(self) -> Floats:
        """(n,) variance of the units before each, shrunk to 1/4."""
        used = self.counts > 0
        found = self.sums[used] / self.counts[used]
        after = np.concatenate([[0.25], _moments(found[:, None])[1][:, 0]])
        return after[np.cumsum(used) - used]

    def log_capital(self, mean: float, aim: float) -> Floats:
        """(n,) logarithm of what betting that the set's mean is above `mean` has made of 1.

        The bets grow fastest where the set's mean is `aim` above. Falls with `mean`.
        """
        values = self.sums / self.most + mean * (1.0 - self.counts / self.most)
        before = np.cumsum(values) - values
        rest = (self.units * mean - before) / self.left  # the mean of what is left
        ahead = aim * self.units / self.left
        bets = ahead / (self.spread + ahead**2)
        with np.errstate(divide="ignore"):
            bets = np.minimum(bets, MOST / np.maximum(rest, 0.0))
        gains = np.log1p(bets * (values - np.maximum(rest, 0.0)))
        return np.cumsum(np.where(rest < -1e-9, np.inf, gains))

    def excludes(self, mean: float, aim: float) -> bool:
        """Whether a mean of the set that is so low has been left out at any time."""
        return mean < self.least or bool(self.log_capital(mean, aim).max(initial=0.0) >= SIDE)


def scaled(
    sums: Floats, counts: Floats, units: int, most: int, bounds: tuple[float, float]
) -> Seen | None:
    """Sums of values between `bounds` as `Seen` has them; None where a value is not."""
    low, high = bounds
    parts = (sums - low * counts) / (high - low)
    if (parts < -_ROUNDING).any() or (parts > counts + _ROUNDING).any():
        return None
    return Seen(np.clip(parts, 0.0, counts), counts, units, most)


def aim_of(points: float, bounds: tuple[float, float]) -> float:
    """Points, 0.01 of a natural unit each, as a part of the range."""
    return points / 100 / (bounds[1] - bounds[0])


def within(seen: Seen, aim: float) -> bool:
    """Whether both ends of `interval` are within `aim` (of the range) of the mean so far."""
    if not seen.counts.any():
        return False
    return all(
        side.mean <= aim or side.excludes(side.mean - aim, aim) for side in (seen, seen.mirrored)
    )


def interval(seen: Seen, aim: float) -> tuple[float, float]:
    """Ends of the 95% interval of the set's mean, which holds at all times at once.

    It leaves out what was left out at any time. Widened to the mean so far where that is outside.
    aim: half the width for which it is narrowest; chosen before the values are seen.
    """
    mirrored = seen.mirrored
    low, high = max(_end(seen, aim), seen.least), 1.0 - max(_end(mirrored, aim), mirrored.least)
    low, high = sorted((low, high))  # at odds, as 5% may be: what is between
    return min(low, seen.mean), max(high, seen.mean)


def _end(seen: Seen, aim: float) -> float:
    """The largest mean below which all are left out, from below to 1e-6."""
    out, held = 0.0, 1.0
    for _ in range(STEPS):
        middle = (out + held) / 2
        out, held = (middle, held) if seen.excludes(middle, aim) else (out, middle)
    return out


def above(values: Floats, margin: Floats) -> Floats:
    """One-sided p-values (C,) that the means of columns (N, C) in [0, 1] exceed `margin` (C,).

    Rows are in the order in which they came; N may be decided by what they say. Bets as large as
    the values before speak for (approximate GRAPA, section B.3).
    """
    moments = _moments(values)
    mean, spread = (
        np.vstack([np.full_like(margin, first), rest[:-1]])
        for first, rest in zip((0.5, 0.25), moments, strict=True)
    )
    ahead = np.maximum(mean - margin, 0.0)
    with np.errstate(divide="ignore"):
        bets = np.minimum(ahead / (spread + ahead**2), MOST / margin)
    grown = np.cumsum(np.log1p(bets * (values - margin)), axis=0)
    return np.asarray(np.exp(-grown.max(axis=0, initial=0.0)))


def _moments(values: Floats) -> tuple[Floats, Floats]:
    """Mean and variance (N, C) of the rows up to each, shrunk to 1/2 and 1/4 by one more."""
    times = np.arange(1, len(values) + 1)[:, None] + 1.0
    mean = (0.5 + np.cumsum(values, axis=0)) / times
    return mean, (0.25 + np.cumsum((values - mean) ** 2, axis=0)) / times
