"""Bootstrap intervals against scipy's, and against a loop that spells the formula out."""

from __future__ import annotations

import tracemalloc

import numpy as np
from scipy import stats as scipy_stats

from xaibench.report.stats import bootstrap_intervals, resampled_means


def test_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(3).exponential(size=60)
    ours = bootstrap_intervals(values[:, None], np.ones((60, 1)), resamples=20_000)[:, 0]
    theirs = scipy_stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(4)
    )
    error = 0.03 * theirs.standard_error * 3  # an end's Monte-Carlo error is about 0.02 s.e.
    np.testing.assert_allclose(ours, theirs.confidence_interval, atol=error)


def test_interval_of_a_ratio_agrees_with_scipy() -> None:
    rng = np.random.default_rng(5)
    counts = rng.integers(1, 5, 50).astype(float)
    sums = counts * rng.normal(2, 1, 50)

    def ratio(sums: np.ndarray, counts: np.ndarray, axis: int = -1) -> np.ndarray:
        return sums.sum(axis=axis) / counts.sum(axis=axis)

    ours = bootstrap_intervals(sums[:, None], counts[:, None], resamples=20_000)[:, 0]
    theirs = scipy_stats.bootstrap(
        (sums, counts),
        ratio,
        paired=True,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(6),
    )
    error = 0.09 * theirs.standard_error
    np.testing.assert_allclose(ours, theirs.confidence_interval, atol=error)


def test_resamples_are_whole_images_and_shared_by_columns() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(size=(9, 2))
    means = resampled_means(values, np.ones((9, 2)), resamples=50, seed=11)
    loop = np.random.default_rng(11)
    for row in means:
        drawn = loop.integers(0, 9, size=9)
        np.testing.assert_allclose(row, values[drawn].mean(axis=0), atol=1e-12)


def test_seeded_and_independent_of_other_columns() -> None:
    values = np.random.default_rng(8).normal(size=(30, 3))
    ones = np.ones((30, 3))
    together = bootstrap_intervals(values, ones, seed=1)
    np.testing.assert_array_equal(together, bootstrap_intervals(values, ones, seed=1))
    assert not np.array_equal(together, bootstrap_intervals(values, ones, seed=2))
    alone = bootstrap_intervals(values[:, :1], ones[:, :1], seed=1)
    np.testing.assert_allclose(alone[:, 0], together[:, 0], rtol=1e-12)


def test_one_image_has_no_interval() -> None:
    assert np.isnan(bootstrap_intervals(np.ones((1, 2)), np.ones((1, 2)))).all()
    assert np.isnan(bootstrap_intervals(np.ones((0, 1)), np.ones((0, 1)))).all()


def test_memory_of_a_full_run_stays_small() -> None:
    values = np.zeros((50_000, 1))
    tracemalloc.start()
    bootstrap_intervals(values, np.ones_like(values), resamples=200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6
