"""Kendall's tau of two orders and its interval: against SciPy, every way out, and known truths."""

from __future__ import annotations

import importlib
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest, kendalltau

from xaibench.analysis.concord import Order, concord, known, measured
from xaibench.analysis.stats import LEVEL

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
NAMES = ("a", "b", "c", "d")


def order(values: np.ndarray) -> Order:
    return measured(NAMES[: values.shape[1]], values)


@pytest.mark.parametrize("ties", [False, True])
def test_tau_is_scipys(ties: bool) -> None:
    drawn = np.random.default_rng(0).normal(size=(2, 20, 7))
    names = tuple("abcdefg")
    for a, b in zip(*np.round(drawn, 0 if ties else 6), strict=True):
        found = concord(("A", "B"), known(names, a), known(names, b))
        assert found.tau == pytest.approx(kendalltau(a, b).statistic, rel=1e-12)
        assert (found.low, found.high) == pytest.approx((found.tau, found.tau))


def outcomes(values: np.ndarray, level: float) -> list[np.ndarray]:
    """Every order (as means) that agrees with what SciPy's permutation test makes sure."""
    from scipy.stats import permutation_test

    many = values.shape[1]
    sure = {}
    for i in range(many):
        for j in range(i):
            difference = values[:, i] - values[:, j]
            p = permutation_test(
                (difference,), np.mean, permutation_type="samples", n_resamples=np.inf
            ).pvalue
            if p <= level:
                sure[i, j] = np.sign(difference.mean())
    return [
        means
        for means in map(np.array, product(range(many), repeat=many))
        if all(np.sign(means[i] - means[j]) == sign for (i, j), sign in sure.items())
    ]


@pytest.mark.parametrize("seed", range(12))
def test_no_order_that_the_tests_allow_is_outside_of_the_interval(seed: int) -> None:
    """Every ranking of four methods, ties too, that no test excludes: all their taus are inside."""
    rng = np.random.default_rng(seed)
    gaps = rng.choice([0.0, 0.5, 3.0], size=(2, 4)).cumsum(axis=1)
    if seed % 2:
        gaps[1] = gaps[1][::-1]
    one, two = (rng.normal(size=(10, 4)) + gap for gap in gaps)
    found = concord(("A", "B"), order(one), order(two))
    level = (1 - LEVEL) / 12
    taus = [
        kendalltau(a, b).statistic
        for a, b in product(outcomes(one, level), outcomes(two, level))
        if len(set(a)) > 1 and len(set(b)) > 1
    ]
    assert found.low <= min(taus) + 1e-12
    assert found.high >= max(taus) - 1e-12
    assert found.low - 1e-12 <= found.tau <= found.high + 1e-12
    if len(taus) > 1 and found.low > -1 + 1e-9:
        assert found.low > min(taus) - 0.35  # no wider than orders that contradict themselves make


@pytest.mark.parametrize("seed", range(12))
def test_a_printed_order_is_known_with_its_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    printed = rng.integers(0, 3, 4).astype(float)
    one = rng.normal(size=(10, 4)) + rng.choice([0.0, 0.5, 3.0], size=4).cumsum()
    found = concord(("A", "paper"), order(one), known(NAMES, printed))
    if len(set(printed)) == 1:
        assert (found.tau, found.low, found.high) == (None, None, None)
        return
    taus = [
        kendalltau(a, printed).statistic for a in outcomes(one, (1 - LEVEL) / 6) if len(set(a)) > 1
    ]
    assert found.low <= min(taus) + 1e-12
    assert found.high >= max(taus) - 1e-12


def test_what_follows_from_two_sure_pairs_is_sure() -> None:
    order_ = Order(
        ("a", "b", "c"),
        np.array([[0, 1, 1], [-1, 0, 1], [-1, -1, 0.0]]),
        np.array([[1, 0.001, 0.9], [0.001, 1, 0.001], [0.9, 0.001, 1]]),
    )
    found = concord(("A", "paper"), order_, known(("a", "b", "c"), np.array([3.0, 2.0, 1.0])))
    assert (found.tau, found.low, found.high) == (1, 1, 1)


def test_methods_of_both_alone_count() -> None:
    a, b = known(("a", "x", "b"), np.array([3.0, 9.0, 1.0])), known(NAMES, np.arange(4.0))
    found = concord(("A", "B"), a, b)
    assert (found.methods, found.tau) == (2, -1)
    alone = concord(("A", "B"), a, known(("x",), np.ones(1)))
    assert (alone.methods, alone.tau, alone.low, alone.high) == (1, None, None, None)


def test_one_image_makes_nothing_sure() -> None:
    one = order(np.array([[1.0, 2.0, 3.0]]))
    found = concord(("A", "B"), one, one)
    assert (found.tau, found.low, found.high) == (1, -1, 1)


def test_docs_tau_is_what_the_script_gives() -> None:
    """No interval of the page holds the true tau too seldom, and one row is simulated again."""
    lines = (ROOT / "docs" / "tau.md").read_text(encoding="utf-8").splitlines()
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in lines if line[:2] == "| "]
    found = {(r[0], r[1]): [float(c.rstrip("%")) for c in r[2:]] for r in rows[1:]}
    assert len(found) == 16
    simulation = importlib.import_module("simulate_tau")
    symmetric = [held for (world, _), (held, *_) in found.items() if world != simulation.RARE]
    assert min(symmetric) >= 95
    held, plain, width = simulation.coverage("two and two equal", 20, 12)
    written = found["two and two equal", "20"]
    assert held == 1
    assert abs(width - written[1]) < 0.4
    assert binomtest(round(12 * plain), 12, written[2] / 100).pvalue > 1e-5
