"""Paired statistics against scipy, textbook numbers and loops that spell the formula out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from xaibench.analysis.paired import (
    EXACT,
    PATTERNS,
    RANDOM,
    centred_ranks,
    holm,
    sign_flip_p,
    smallest_p,
)
from xaibench.analysis.stats import bootstrap_intervals, widened_tail


@pytest.mark.parametrize("images", [2, 5, 8, 11])
def test_all_patterns_agree_with_scipy(images: int) -> None:
    rng = np.random.default_rng(images)
    changes = rng.normal(0.5, 1, (images, 4))
    changes[:, 1] = rng.integers(-1, 2, images)  # ties, as AI has them
    changes[:, 2] = np.round(changes[:, 2], 1)  # sums that are equal only up to the last bit
    ours = sign_flip_p(changes)
    for column, p in zip(changes.T, ours, strict=True):
        theirs = scipy_stats.permutation_test(
            (column, np.zeros(images)),
            lambda a, b, axis: np.mean(a - b, axis=axis),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=True,
        )
        assert p == pytest.approx(theirs.pvalue, rel=1e-12)


def signs(plus: int, minus: int) -> np.ndarray:
    return np.concatenate([np.ones(plus), -np.ones(minus), np.zeros(7)])[:, None]


@pytest.mark.parametrize(("plus", "minus"), [(20, 8), (14, 14), (28, 0)])
def test_all_patterns_of_signs_are_the_binomial_test(plus: int, minus: int) -> None:
    assert plus + minus == EXACT
    expected = scipy_stats.binomtest(plus, plus + minus).pvalue
    assert sign_flip_p(signs(plus, minus))[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("plus", "minus"), [(36, 20), (200, 150), (1060, 940)])
def test_random_patterns_agree_with_the_binomial_test(plus: int, minus: int) -> None:
    assert EXACT < plus + minus <= RANDOM
    p = scipy_stats.binomtest(plus, plus + minus).pvalue
    error = 4 * math.sqrt(p * (1 - p) / PATTERNS) + 1 / PATTERNS
    assert sign_flip_p(signs(plus, minus))[0] == pytest.approx(p, abs=error)


@pytest.mark.parametrize(("plus", "minus"), [(1046, 956), (1100, 950), (26_000, 24_000)])
def test_normal_limit_agrees_with_the_binomial_test(plus: int, minus: int) -> None:
    p = scipy_stats.binomtest(plus, plus + minus).pvalue
    # The limit has no ties; the worst that the ties of 0/1 metrics do to it grows with z.
    assert sign_flip_p(signs(plus, minus))[0] == pytest.approx(p, rel=0.1)


def test_images_without_a_difference_do_not_matter() -> None:
    changes = np.random.default_rng(1).normal(0.4, 1, (12, 1))
    padded = np.concatenate([np.zeros((5000, 1)), changes])
    np.testing.assert_allclose(sign_flip_p(padded), sign_flip_p(changes), rtol=1e-12)
    assert sign_flip_p(np.zeros((9, 2))).tolist() == [1.0, 1.0]
    np.testing.assert_allclose(sign_flip_p(1e9 * changes), sign_flip_p(changes), rtol=1e-12)


def test_the_test_keeps_its_level_and_finds_a_difference() -> None:
    rng = np.random.default_rng(2)
    null = sign_flip_p(rng.exponential(size=(15, 2000)) * rng.choice([-1, 1], (15, 2000)))
    assert 0.035 < (null <= 0.05).mean() < 0.065
    shifted = sign_flip_p(rng.normal(1, 1, (15, 200)))
    assert (shifted <= 0.05).mean() > 0.9


def test_smallest_p() -> None:
    for images in (1, 6, EXACT):
        assert sign_flip_p(np.ones((images, 1)))[0] == pytest.approx(smallest_p(images))
    assert sign_flip_p(np.ones((60, 1)))[0] == pytest.approx(smallest_p(60))


def test_holm_on_textbook_numbers() -> None:
    # Four tests: 0.005 x 4, 0.01 x 3, then 0.03 x 2 and 0.04 x 1, which may not fall below it.
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.5, 0.9, 0.02])) == pytest.approx([1.0, 1.0, 0.06])
    assert holm(np.array([0.2])) == pytest.approx([0.2])


def test_holm_rejects_what_the_step_down_procedure_rejects() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        p = rng.random(9) ** 4
        rejected = np.zeros(9, dtype=bool)
        for step, place in enumerate(np.argsort(p)):  # Holm's own wording: stop at the first miss
            if p[place] > 0.05 / (9 - step):
                break
            rejected[place] = True
        np.testing.assert_array_equal(holm(p) <= 0.05, rejected)


def test_ranks_are_scipys_less_their_mean() -> None:
    values = np.round(np.random.default_rng(4).normal(0, 1, (30, 5)))
    ranks = np.stack([scipy_stats.rankdata(row) for row in values])
    np.testing.assert_allclose(centred_ranks(values), ranks - 3)


def test_paired_interval_agrees_with_scipy() -> None:
    rng = np.random.default_rng(5)
    a = rng.random(40)
    b = a + rng.normal(0.1, 0.1, 40)
    ours = bootstrap_intervals((b - a)[:, None], np.ones((40, 1)), resamples=20_000)[:, 0]
    theirs = scipy_stats.bootstrap(
        (a, b),
        lambda a, b, axis=-1: (b - a).mean(axis=axis),
        paired=True,
        n_resamples=20_000,
        confidence_level=1 - 2 * widened_tail(40),
        method="percentile",
        rng=np.random.default_rng(6),
    )
    error = 0.09 * theirs.standard_error  # an end's Monte-Carlo error is about 0.02 s.e.
    np.testing.assert_allclose(ours, theirs.confidence_interval, atol=error)
