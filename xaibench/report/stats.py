"""Bootstrap intervals over images.

The unit that is resampled is the image, with all its rows (the four variations of Table 4 are no
four independent images), so every image enters as a sum and a count and a resampled mean is a
ratio of two sums. All columns handed in together see the same resamples: the difference of two
columns of `resampled_means` is therefore already a paired one.
Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13 (percentile).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95
SEED = 0

_DRAWS = 1_000_000  # draws held at once: three arrays of 8 MB

Floats = NDArray[np.float64]


def bootstrap_intervals(
    sums: Floats,
    counts: Floats,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = SEED,
) -> Floats:
    """Return percentile intervals of the mean over rows, resampling images.

    Args:
        sums: (N, C) sum of an image's values, for C quantities on the same N images.
        counts: (N, C) how many rows each sum has, at least 1.
        resamples: number of bootstrap resamples.
        level: coverage, 0.95 for a 95% interval.
        seed: same seed, same numbers; another column changes their last bit at most.

    Returns:
        (2, C) lower and upper ends, in the units of `sums`; NaN where N < 2.
    """
    images, quantities = sums.shape
    if images < 2:
        return np.full((2, quantities), np.nan)
    means = resampled_means(sums, counts, resamples=resamples, seed=seed)
    tail = (1.0 - level) / 2.0
    return np.quantile(means, (tail, 1.0 - tail), axis=0)


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
    for weights in draws(images, resamples, seed):
        rows = weights.sum(axis=1, keepdims=True) * counts.flat[0] if balanced else weights @ counts
        means[start : start + len(weights)] = (weights @ sums) / rows
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
