"""Statistics of paired values: the same images under two or more conditions.

Everything is over images, the unit that is sampled. `stats.resampled_means` gives the bootstrap;
here are the test of a difference, the correction for many of them, and ranks.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from xaibench.analysis.stats import SEED

EXACT = 28
"""Differing images up to which all sign patterns are counted: 2 x 2^14 half sums, 1 ms a test."""
RANDOM = 2_000
"""Differing images up to which random patterns are drawn; beyond, the ties of 0/1 metrics move the
normal limit by a twentieth of p at p = 0.05, the more images the less."""
PATTERNS = 100_000
"""Random sign patterns: the smallest p is 1e-5, below 0.05 after Holm over 4,999 comparisons."""
ALPHA = 0.05

Floats = NDArray[np.float64]


def sign_flip_p(differences: Floats, *, seed: int = SEED) -> Floats:
    """Two-sided p-values of the paired permutation test on the mean difference.

    If A and B are exchangeable on every image, each difference is as likely with the other sign: p
    is the share of sign patterns whose mean is at least as far from 0 as the one observed. Images
    without a difference do not matter. With m differing images all 2^m patterns are counted to
    m = `EXACT`, `PATTERNS` random ones to `RANDOM`, and beyond it is the normal limit.
    Source: Pitman 1937; Phipson & Smyth 2010 for counting the observed pattern among random ones.

    Args:
        differences: (N, C) finite differences, for C comparisons on N images.
        seed: seed of the random patterns.

    Returns:
        (C,) values in (0, 1]; 1 where nothing differs.
    """
    differing = np.count_nonzero(differences, axis=0)
    p = np.ones(differences.shape[1])
    for column in np.flatnonzero((differing > 0) & (differing <= EXACT)):
        values = differences[:, column]
        p[column] = _all_patterns(values[values != 0])
    drawn = np.flatnonzero((differing > EXACT) & (differing <= RANDOM))
    if len(drawn):
        p[drawn] = _random_patterns(differences[:, drawn], int(differing[drawn].max()), seed)
    for column in np.flatnonzero(differing > RANDOM):
        values = differences[:, column]
        z = abs(values.sum()) / math.sqrt(float(values @ values))
        p[column] = max(math.erfc(z / math.sqrt(2.0)), np.finfo(float).tiny)
    return p


def _all_patterns(values: Floats) -> float:
    """Share of the 2^m sign patterns of `values` (m,) as far out as the one observed."""
    observed = abs(float(values.sum()))
    slack = 1e-9 * float(np.abs(values).sum())  # sums in another order differ in the last bits
    if observed <= slack:
        return 1.0
    half = len(values) // 2
    first, second = _half_sums(values[:half]), np.sort(_half_sums(values[half:]))
    above = len(second) - np.searchsorted(second, observed - slack - first, side="left")
    return min(1.0, 2.0 * float(above.sum()) / 2.0 ** len(values))


def _half_sums(values: Floats) -> Floats:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _random_patterns(differences: Floats, rows: int, seed: int) -> Floats:
    # Each column's differing images first: which sign goes to which image does not matter.
    order = np.argsort(differences == 0, axis=0, kind="stable")[:rows]
    packed = np.take_along_axis(differences, order, axis=0)
    total = packed.sum(axis=0)
    least = np.abs(total) - 1e-9 * np.abs(packed).sum(axis=0)
    rng = np.random.default_rng(seed)
    hits = np.ones(differences.shape[1])
    step = 5_000
    for start in range(0, PATTERNS, step):
        size = min(step, PATTERNS - start)
        bits = np.unpackbits(np.frombuffer(rng.bytes(size * (-(-rows // 8))), np.uint8))
        plus = bits.reshape(size, -1)[:, :rows].astype(np.float64)
        hits += (np.abs(2.0 * (plus @ packed) - total) >= least).sum(axis=0)
    return hits / (PATTERNS + 1)


def smallest_p(images: int) -> float:
    """The smallest p that `sign_flip_p` can give with this many images, all of them differing."""
    return 2.0 ** (1 - images) if images <= EXACT else 1.0 / (PATTERNS + 1)


def holm(p: Floats) -> Floats:
    """Adjust p-values (C,) for C comparisons by Holm's step-down method (Holm 1979).

    The i-th smallest is multiplied by C - i + 1; none is below a smaller one's, none above 1.
    """
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def centred_ranks(values: Floats) -> Floats:
    """Rank each row of (N, k) values, ties sharing their mean rank, less the row's mean rank."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values, axis=1), dtype=np.float64) - (values.shape[1] + 1) / 2.0


def correlation(a: Floats, b: Floats) -> float:
    """Pearson's correlation of a (n,) and b (n,), of ranks Spearman's; NaN if one is constant."""
    scale = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / scale) if scale > 1e-12 else math.nan
