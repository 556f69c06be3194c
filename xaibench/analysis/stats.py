"""Intervals of means over images: how wide, and where they are not to be trusted.

The unit that is sampled is the image, with all its rows (the four variations of Table 4 are no four
independent images), so every image enters as a sum and a count and a resampled mean is a ratio of
two sums. Metrics that are 0 or 1 take Wilson's interval, the others a bootstrap whose percentiles
are widened as Student's t is wider than the normal. `docs/statistics.md` holds their coverage.
Sources: Efron & Tibshirani 1993, chapter 13 (percentile); Hesterberg 2015, The American
Statistician 69, section 5.1 (the widening); Wilson 1927; Korn & Graubard 1998 (effective n).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95
SEED = 0
MIN_IMAGES = 10
"""Images below which nothing is decided and every interval is marked (`docs/statistics.md`)."""
LEAST = 0.5
"""A method on a smaller share of a metric's images than this is not ranked by it."""
FEW = 5
"""Images off the commonest value below which an interval is marked: what is rare may not have been
seen at all, and a bootstrap knows only what was seen."""

_DRAWS = 1_000_000  # draws held at once: three arrays of 8 MB

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def comparable(counts: Sequence[int]) -> list[bool]:
    """Which of a metric's methods, on so many images each, are ranked by it (`LEAST`)."""
    most = max(counts, default=0)
    return [n >= LEAST * most for n in counts]


def excludes_zero(low: float | None, high: float | None) -> bool:
    """Whether an interval, if there is one, lies on one side of 0."""
    return low is not None and high is not None and (low > 0 or high < 0)


def bootstrap_intervals(
    sums: Floats,
    counts: Floats,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = SEED,
) -> Floats:
    """Return widened percentile intervals of the mean over rows, resampling images.

    Plain percentiles are too narrow by sqrt((n - 1) / n) and by z against t with n - 1 degrees of
    freedom; percentiles further out make up for both.

    Args:
        sums: (N, C) sum of an image's values, for C quantities on the same N images.
        counts: (N, C) how many rows each sum has, at least 1.
        resamples: number of bootstrap resamples.
        level: coverage, 0.95 for a 95% interval, two-sided.
        seed: same seed, same numbers; another column changes their last bit at most.

    Returns:
        (2, C) lower and upper ends, in the units of `sums`; NaN where N < 2.
    """
    images, quantities = sums.shape
    if images < 2:
        return np.full((2, quantities), np.nan)
    means = resampled_means(sums, counts, resamples=resamples, seed=seed)
    tail = widened_tail(images, level)
    return np.quantile(means, (tail, 1.0 - tail), axis=0)


def widened_tail(images: int, level: float = LEVEL) -> float:
    """The share of resamples beyond each end: Phi(-sqrt(n / (n - 1)) t), t of n - 1 degrees."""
    from scipy.special import ndtr, stdtrit

    t = float(stdtrit(images - 1, (1.0 + level) / 2.0))
    return float(ndtr(-math.sqrt(images / (images - 1)) * t))


def wilson_intervals(sums: Floats, counts: Floats, *, level: float = LEVEL) -> Floats:
    """Return Wilson's interval of a share, for values that are 0 or 1 in every row.

    n is the number of images where each has one row. With several, rows of an image are no
    independent trials: n is then what independent trials would need for the variance seen between
    images, p (1 - p) / var(mean), shrunk by (z / t)^2 because that variance is itself an estimate,
    and never below the images (rows of an image all alike) nor above the rows.

    Args:
        sums: (N, C) how many of an image's rows are 1.
        counts: (N, C) its rows, at least 1.
        level: coverage, two-sided.

    Returns:
        (2, C) ends in [0, 1]; NaN where N < 2.
    """
    from scipy.special import ndtri, stdtrit

    images, quantities = sums.shape
    if images < 2:
        return np.full((2, quantities), np.nan)
    z = float(ndtri((1.0 + level) / 2.0))
    rows = counts.sum(axis=0)
    p = sums.sum(axis=0) / rows
    between = np.square(sums - p * counts).sum(axis=0) * images / (images - 1) / rows**2
    shrink = (z / float(stdtrit(images - 1, (1.0 + level) / 2.0))) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        worth = np.where(between > 0, shrink * p * (1 - p) / between, images)
    n = np.clip(worth, images, rows)
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # At p = 0 and 1 the ends are 0 and 1, which rounding would miss by a bit.
    ends = np.stack([np.where(p <= 0, 0.0, centre - half), np.where(p >= 1, 1.0, centre + half)])
    return np.asarray(np.clip(ends, 0.0, 1.0))


def sparse(values: Floats) -> Bools:
    """Whether fewer than `FEW` of the images (N, C) differ from the commonest value: (C,)."""
    # Where so few differ, the commonest value is the median (of at least MIN_IMAGES images).
    middle = np.partition(values, len(values) // 2, axis=0)[len(values) // 2]
    return np.asarray((values != middle).sum(axis=0) < FEW)


def unsure(sums: Floats, counts: Floats, binary: bool = False) -> Bools:
    """Where an interval's coverage falls under 90%: (C,), see `docs/statistics.md`.

    Fewer than `MIN_IMAGES` images; or, for a bootstrap, fewer than `FEW` off the commonest value.
    """
    if len(sums) < MIN_IMAGES:
        return np.ones(sums.shape[1], dtype=bool)
    return np.zeros(sums.shape[1], dtype=bool) if binary else sparse(sums / counts)


def resampled_means(
    sums: Floats, counts: Floats, *, resamples: int = RESAMPLES, seed: int = SEED
) -> Floats:
    """Return the mean of every bootstrap resample.

    Args:
        sums: (N, C) sum of an image's values.
        counts: (N, C) how many rows each sum has, at least 1.
        resamples: number of resamples R.
        seed: the drawn images depend on (seed, N) alone.

    Returns:
        (R, C) means over rows; row r of every column is the same draw of images.
    """
    images, quantities = sums.shape
    balanced = bool(np.all(counts == counts.flat[0]))
    means = np.empty((resamples, quantities))
    start = 0
    # Columns in one piece: otherwise OpenBLAS takes a hundred times as long for 50,000 images.
    columns = np.ascontiguousarray(sums.T)
    times = np.empty((0, 0)) if balanced else np.ascontiguousarray(counts.T)
    for weights in draws(images, resamples, seed):
        rows = images * counts.flat[0] if balanced else (times @ weights.T).T
        means[start : start + len(weights)] = (columns @ weights.T).T / rows
        start += len(weights)
    return means


def draws(images: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield the resamples in blocks (size, images): how often each image is in each of them."""
    rng = np.random.default_rng(seed)
    step = max(1, _DRAWS // images)
    for start in range(0, resamples, step):
        yield _draw_weights(rng, min(step, resamples - start), images)


def _draw_weights(rng: np.random.Generator, size: int, images: int) -> Floats:
    """Draw how often each image is in each resample: (size, images), rows sum to `images`."""
    drawn = rng.integers(0, images, size=(size, images))
    drawn += np.arange(size)[:, None] * images
    times = np.bincount(drawn.ravel(), minlength=size * images)
    return times.reshape(size, images).astype(np.float64)
