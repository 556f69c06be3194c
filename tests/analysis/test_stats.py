"""Bootstrap intervals against scipy's, and against a loop that spells the formula out."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import stats as scipy_stats

from xaibench.analysis.stats import (
    FEW,
    MIN_IMAGES,
    bootstrap_intervals,
    resampled_means,
    sparse,
    unsure,
    widened_tail,
    wilson_intervals,
)


def test_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(3).exponential(size=60)
    ours = bootstrap_intervals(values[:, None], np.ones((60, 1)), resamples=20_000)[:, 0]
    theirs = scipy_stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=20_000,
        confidence_level=1 - 2 * widened_tail(60),
        method="percentile",
        rng=np.random.default_rng(4),
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
        confidence_level=1 - 2 * widened_tail(50),
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


def test_percentiles_are_as_far_out_as_students_t() -> None:
    # A bootstrap of normal data has the standard error sqrt((n - 1) / n) s / sqrt(n).
    for n, t in ((10, 2.262), (50, 2.0096)):
        z = -scipy_stats.norm.ppf(widened_tail(n))
        assert z * np.sqrt((n - 1) / n) == pytest.approx(t, abs=1e-3)
    assert widened_tail(1_000_000) == pytest.approx(0.025, rel=1e-4)


@pytest.mark.parametrize(("ones", "n"), [(0, 10), (1, 10), (3, 20), (60, 120), (120, 120)])
def test_wilson_is_scipys(ones: int, n: int) -> None:
    values = np.zeros((n, 1))
    values[:ones] = 1
    theirs = scipy_stats.binomtest(ones, n).proportion_ci(0.95, method="wilson")
    ours = wilson_intervals(values, np.ones_like(values))[:, 0]
    np.testing.assert_allclose(ours, (theirs.low, theirs.high), atol=1e-12)
    assert ours[1] > ours[0]  # never of zero width


def test_rows_of_an_image_that_are_all_alike_are_one_trial() -> None:
    rng = np.random.default_rng(3)
    one = (rng.random((40, 1)) < 0.3).astype(float)
    single = wilson_intervals(one, np.ones_like(one))
    four = wilson_intervals(4 * one, np.full_like(one, 4.0))
    np.testing.assert_allclose(four, single)
    # Rows that differ as independent ones do are worth more than images, and less than rows.
    mixed = rng.binomial(4, 0.3, (400, 1)).astype(float)
    width = np.diff(wilson_intervals(mixed, np.full_like(mixed, 4.0)), axis=0)[0, 0]
    p = mixed.mean() / 4
    assert width == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / 1600), rel=0.15)


def test_values_that_are_nearly_all_the_same_are_marked() -> None:
    values = np.zeros((40, 4))
    values[: FEW - 1, 1] = values[:FEW, 2] = 1.0
    values[:, 3] = np.arange(40)
    assert sparse(values).tolist() == [True, True, False, False]
    ones = np.ones_like(values)
    assert unsure(values, ones).tolist() == [True, True, False, False]
    assert not unsure(values, ones, binary=True).any()
    assert unsure(values[: MIN_IMAGES - 1], ones[: MIN_IMAGES - 1], binary=True).all()
