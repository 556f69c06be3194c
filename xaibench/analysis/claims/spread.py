"""Rules for whether metrics tell methods apart, in the middle half of them and at their extremes.

Both are functions of the methods' means that grow with some and fall with others, so simultaneous
intervals of the means give simultaneous bounds. The means are taken less the image's own mean over
methods: paired, since what all methods share tells none apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import stdtrit

from xaibench.analysis.claims.coverage import covered, without
from xaibench.analysis.claims.evidence import CAM, FEWEST_METHODS, GRADIENT, SHORTS, Evidence
from xaibench.analysis.claims.fidelity import FIDELITY
from xaibench.analysis.claims.finding import (
    ALPHA,
    UNMEASURED,
    UNTIL,
    Finding,
    decide,
    nothing_shared,
)
from xaibench.analysis.claims.significance import moments, most, names_where
from xaibench.analysis.stats import Floats
from xaibench.config.catalog import STAND_IN
from xaibench.published.tables import METHODS, TABLES

ROBUSTNESS = tuple(name for name in TABLES[3].metrics if name != "completeness")

SPREAD = 0.1
"""Part of the metric's range from which methods are meaningfully apart: a tenth."""
APART = (
    "A metric tells methods apart where the middle half (interquartile range) of their means "
    f"spans {SPREAD:.0%} of its range; simultaneous intervals of the means, paired over "
    "images, have to lie wholly on one side."
)
RANGES = {
    "average_increase": 100.0,
    "average_drop": 100.0,
    "average_gain": 100.0,
    "insertion": 100.0,
    "deletion": 100.0,
    "monotonicity": 2.0,
    "max_sensitivity": 1.0,  # without bounds: `UNBOUNDED`
    "avg_sensitivity": 1.0,
    "sparseness": 100.0,
    "complexity": float(np.log(224 * 224)),
    "effective_complexity": 224.0 * 224.0,
}
UNBOUNDED = (
    "MS and AS have no range: 1 is taken, at which a map moves as far as it is from nothing."
)
Bounds = Callable[[Floats, Floats], float]


def middle_half(low: Floats, high: Floats) -> float:
    """The largest interquartile range of k means that lie between `low` and `high` (k,).

    With the two changed round, a lower bound of it (negative where they overlap).
    """
    return float(np.quantile(high, 0.75) - np.quantile(low, 0.25))


def farthest(low: Floats, high: Floats) -> float:
    """The farthest that one of k means between `low` and `high` (k,) can be from their median."""
    return float(max(high.max() - np.median(low), np.median(high) - low.min()))


def whole(low: Floats, high: Floats) -> float:
    """The largest range of k means that lie between `low` and `high` (k,)."""
    return float(high.max() - low.min())


def gradient_alike(evidence: Evidence) -> Finding:
    """The means of Gradient, IG and GuidedBP are close together in over half of the metrics."""
    return _alike(evidence, GRADIENT)


def cam_alike(evidence: Evidence) -> Finding:
    """The same of Grad-CAM, Grad-CAM++ and Score-CAM."""
    return _alike(evidence, CAM)


def _alike(evidence: Evidence, methods: Sequence[str]) -> Finding:
    bounds = _bounds(evidence, FIDELITY, methods, whole, len(methods))
    if isinstance(bounds, Finding):
        return bounds
    seen, apart, near, n, _ = bounds
    numbers = f"the three span, of the metric's range: {_told(seen, FIDELITY)}"
    return _verdict(near, apart, n, f"{numbers}; close in {_count(seen < SPREAD)}")


def fidelity_indistinct(evidence: Evidence) -> Finding:
    """Over half of the fidelity metrics do not tell the ten methods apart."""
    return _indistinct(evidence, FIDELITY, METHODS)


def fidelity_indistinct_without(evidence: Evidence) -> Finding:
    """The same without Gradient, IG and GuidedBP."""
    return _indistinct(evidence, FIDELITY, tuple(m for m in METHODS if m not in GRADIENT))


def robustness_indistinct(evidence: Evidence) -> Finding:
    """Over half of MS, AS, S, C and EC do not tell the middle half of the methods apart."""
    return _indistinct(evidence, ROBUSTNESS, METHODS)


def robustness_extremes(evidence: Evidence) -> Finding:
    """In over half of MS, AS, S, C and EC one method is far from the median of all."""
    bounds = _bounds(evidence, ROBUSTNESS, METHODS, farthest)
    if isinstance(bounds, Finding):
        return bounds
    seen, far, near, n, note = bounds
    numbers = (
        f"the farthest from the methods' median, of the metric's range: {_told(seen, ROBUSTNESS)}"
    )
    return _verdict(far, near, n, f"{numbers}; far in {_count(seen >= SPREAD)}{note}")


def _indistinct(evidence: Evidence, metrics: Sequence[str], methods: Sequence[str]) -> Finding:
    bounds = _bounds(evidence, metrics, methods, middle_half)
    if isinstance(bounds, Finding):
        return bounds
    seen, apart, alike, n, note = bounds
    numbers = f"middle half of the methods spans, of the metric's range: {_told(seen, metrics)}"
    return _verdict(alike, apart, n, f"{numbers}; apart in {_count(seen >= SPREAD)}{note}")


def _count(where: np.ndarray) -> str:
    return names_where(where, [""] * len(where)).partition(" (")[0]


def _told(seen: Floats, metrics: Sequence[str]) -> str:
    return ", ".join(f"{SHORTS[m]} {s:.1%}" for m, s in zip(metrics, seen, strict=True))


def _verdict(yes: np.ndarray, no: np.ndarray, n: int | None, numbers: str) -> Finding:
    """Decide by metrics (levels, metrics) that are bounded on one side of `SPREAD`."""
    count = yes.shape[1]
    holds, fails = yes[0].sum() >= most(count), no[1].sum() >= count - count // 2
    return decide(float(not holds), float(not fails), n, numbers, exact=False)


def _bounds(
    evidence: Evidence,
    metrics: Sequence[str],
    methods: Sequence[str],
    statistic: Bounds,
    fewest: int = FEWEST_METHODS,
) -> tuple[Floats, np.ndarray, np.ndarray, int | None, str] | Finding:
    """The statistic as seen (metrics,), where it is surely over and under `SPREAD`, n, and a note.

    Both are (2, metrics): at the levels that more than half of the metrics, and half of them, need
    ("at least k of m" takes ALPHA / (m - k + 1) for each).
    """
    if evidence.anytime:
        return Finding(UNMEASURED, UNTIL)
    kept = covered(evidence, {x: [evidence.key(x, m) for m in metrics] for x in methods}, fewest)
    if len(kept) < fewest:
        return Finding(UNMEASURED, f"{len(kept)} methods have these metrics, fewer than {fewest}")
    keys = [evidence.key(method, metric) for metric in metrics for method in kept]
    values = evidence.values(keys)
    if not len(values):
        return nothing_shared()
    parts = values.reshape(len(values), len(metrics), len(kept))
    count = len(metrics)
    levels = [ALPHA / (count - k + 1) for k in (most(count), count - count // 2)]
    seen = np.empty(count)
    over, under = np.zeros((2, count), dtype=bool), np.zeros((2, count), dtype=bool)
    for i, metric in enumerate(metrics):
        part = parts[:, i] / RANGES[metric]
        part = part - part.mean(axis=1, keepdims=True)
        mean = part.mean(axis=0)
        seen[i] = statistic(mean, mean)
        for j, level in enumerate(levels):
            half = _half_widths(part, level)
            under[j, i] = statistic(mean - half, mean + half) < SPREAD
            over[j, i] = statistic(mean + half, mean - half) >= SPREAD
    note = without(evidence, kept, methods)
    if any(evidence.catalog.metric(metric).explains == STAND_IN for metric in metrics):
        note += "; MS and AS are of Quantus's gradient explanation, not of the methods"
    return seen, over, under, None if evidence.cells is None else len(values), note


def _half_widths(part: Floats, level: float) -> Floats:
    """Half-widths (k,) of intervals of k means (N, k) that all hold at once, Bonferroni."""
    n, k = part.shape
    if n == 1:
        return np.zeros(k)
    _, variance, count = moments(part, 1.0)
    return np.asarray(stdtrit(n - 1, 1 - level / (2 * k)) * np.sqrt(variance / count))
