"""How often the interval of Kendall's tau between two runs holds the true one, and its width.

    python scripts/simulate_tau.py > docs/tau.md

Every number is simulated from seed 0, with the report's own functions (`analysis.concord`).
"""

from __future__ import annotations

import argparse
import platform

import numpy as np
import scipy
from scipy.stats import kendalltau

from xaibench.analysis.concord import concord, measured

IMAGES = (12, 20, 50, 120)
METHODS = 10
ALIKE = 0.5
"""Correlation of two methods' values of the same image, as of one method's in two runs."""
RESAMPLES = 400
RARE = "few images decide"
SHARE = 0.05
"""Share of images, of each method others, that decide its mean in the world `RARE`."""
WORLDS = {
    "close": np.arange(METHODS) * 0.1,
    "apart": np.arange(METHODS) * 0.5,
    "two and two equal": np.arange(METHODS) // 2 * 0.5,
    RARE: np.arange(METHODS) * 0.5,
}
"""True means of the first run in standard deviations of a value; the second has three in another
order."""


def coverage(world: str, images: int, runs: int, seed: int = 0) -> tuple[float, float, float]:
    """Shares of intervals and of 95% resamples that hold the true tau; the intervals' mean width.

    The two runs are on the same images.
    """
    rng = np.random.default_rng((seed, list(WORLDS).index(world), images))
    first = WORLDS[world]
    truth = first, first[[2, 1, 0, *range(3, METHODS)]]
    true = kendalltau(*truth).statistic
    names = tuple(f"m{k}" for k in range(METHODS))
    held = plain = width = 0.0
    for _ in range(runs):
        values = drawn(rng, images, truth, rare=world == RARE)
        one = concord(("A", "B"), *(measured(names, value) for value in values))
        ends = np.array([one.low, one.high], dtype=float)
        held += ends[0] - 1e-9 <= true <= ends[1] + 1e-9
        width += ends[1] - ends[0]
        rows = rng.integers(0, images, (RESAMPLES, images))
        a, b = (np.sign(pairs(value[rows].mean(axis=1))) for value in values)
        low, high = np.quantile((a * b).mean(axis=1), (0.025, 0.975))
        plain += low - 1e-9 <= true <= high + 1e-9
    return held / runs, plain / runs, width / runs


def drawn(
    rng: np.random.Generator, images: int, truth: tuple[np.ndarray, ...], *, rare: bool
) -> list[np.ndarray]:
    """Values (images, METHODS) of each run; rare: few images make the means of the first."""
    common = rng.normal(size=(images, 1)) * np.sqrt(ALIKE)
    own = rng.normal(size=(len(truth), images, METHODS)) * np.sqrt(1 - ALIKE)
    values = [mean + common + noise for mean, noise in zip(truth, own, strict=True)]
    if rare:  # the others have half of the mean the other way round; over all it is the mean
        few = rng.random((images, METHODS)) < SHARE
        scale = np.where(few, (1.5 - 0.5 * SHARE) / SHARE, -0.5)
        values[0] = truth[0] * scale + 0.01 * (common + own[0])
    return values


def pairs(means: np.ndarray) -> np.ndarray:
    """The differences (R, P) of every two columns of (R, M)."""
    i, j = np.triu_indices(means.shape[1], 1)
    return means[:, i] - means[:, j]


def main(runs: int) -> None:
    """Print the page."""
    print(
        f"""# How sure is Kendall's tau of two runs?

Made by `python scripts/simulate_tau.py --runs {runs} > docs/tau.md` (seed 0; Python
{platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}). Do not edit.

`xaibench report RUN RUN --across` prints Kendall's tau of every two rankings with a 95% interval:
pairs of methods that a paired permutation test tells apart, after Bonferroni's correction for all
pairs of both runs, are taken as they are, and every other pair once for the agreement of the two
rankings and once against it. With few images hardly a pair is sure, and the interval says so.

Below, {METHODS} methods in two runs on the same images (normal values, correlation {ALIKE} within
an image), the second run with three of the methods in another order: in how many of {runs} the
interval holds the true tau, which should be at least 95%, and how wide it is, of at most 2. Beside
it, how often 95% of bootstrap resamples of the images hold it, which are no interval of tau: a
resample adds noise to both orders.

**Where it fails.** The test takes the difference of two methods to be symmetric about its mean. In
the last rows {100 * SHARE:.0f}% of the images, of each method others, decide its mean in the first
run against all the others: a sample that has few of them shows the contrary, and no interval from
so few images can know.

| methods | images | interval holds it | its width | resamples hold it |
|---|---:|---:|---:|---:|"""
    )
    for world in WORLDS:
        for images in IMAGES:
            held, plain, width = coverage(world, images, runs)
            line = f"{world} | {images} | {100 * held:.1f}% | {width:.2f} | {100 * plain:.1f}%"
            print(f"| {line} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    main(parser.parse_args().runs)
