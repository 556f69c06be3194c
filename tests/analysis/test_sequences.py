"""Confidence sequences against a slow loop, and as often right as they say."""

from __future__ import annotations

import importlib.util
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import sequences as oracle
from scipy import stats

from xaibench.analysis.sequences import SIDE, Seen, above, aim_of, interval, scaled, within

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng


def seen_of(values: list[float | None], units: int) -> Seen:
    counts = np.array([float(value is not None) for value in values])
    return Seen(np.array([value or 0.0 for value in values]), counts, units)


WORLDS: dict[str, list[float | None]] = {
    "uniform": list(RNG(0).random(40)),
    "rare": [float(x) for x in RNG(1).random(60) < 0.1],
    "all alike": [0.3] * 30,
    "nothing": [0.0] * 50,
    "some unusable": [None if i % 3 == 1 else float(x) for i, x in enumerate(RNG(2).random(45))],
    "first unusable": [None, None, 0.2, 0.9, 0.4, None],
}


@pytest.mark.parametrize("units", [60, 500])
@pytest.mark.parametrize("name", WORLDS)
def test_capital_equals_the_loop(name: str, units: int) -> None:
    seen = seen_of(WORLDS[name], units)
    for mean in (0.01, 0.2, 0.5, 0.97):
        for aim in (0.02, 0.3):
            expected = oracle.capital(WORLDS[name], units, mean, aim)
            np.testing.assert_allclose(
                np.exp(seen.log_capital(mean, aim)), expected, rtol=1e-9, atol=1e-300
            )


@pytest.mark.parametrize("name", WORLDS)
def test_the_interval_is_what_a_grid_keeps(name: str) -> None:
    low, high = interval(seen_of(WORLDS[name], 80), 0.1)
    first, last = oracle.interval(WORLDS[name], 80, 0.1)
    assert first - 1 / 200 - 1e-6 <= low <= first + 1e-6
    assert last - 1e-6 <= high <= last + 1 / 200 + 1e-6


AUTHORS = {  # betting_mart of confseq 0.0.11 with the bets of `Seen`: N=20, theta=1 and 0
    0.2: (
        [1.482759, 1.378622, 2.351766, 3.181216, 7.419303, 6.840501, 12.634318, 23.303985],
        [0.5625, 0.583726, 0.36191, 0.305668, 0.152834, 0.157139, 0.103569, 0.072659],
    ),
    0.4: (
        [1.344828, 0.935545, 1.364216, 1.426974, 2.681728, 1.426471, 2.097695, 2.948936],
        [0.655172, 0.798319, 0.529794, 0.515077, 0.257539, 0.318136, 0.231686, 0.183527],
    ),
    0.7: (
        [1.137931, 0.651487, 0.686567, 0.534622, 0.629767, 0.314883, 0.300305, 0.266112],
        [0.862069, 1.427153, 1.303437, 1.843099, 1.116849, 2.293085, 2.508886, 3.14176],
    ),
}


@pytest.mark.parametrize("mean", AUTHORS)
def test_capital_is_what_the_authors_package_makes_of_it(mean: float) -> None:
    seen = Seen(np.array([0.9, 0.1, 0.8, 0.4, 1.0, 0.0, 0.7, 0.6]), np.ones(8), 20)
    up, down = (np.exp(s.log_capital(m, 0.2)) for s, m in ((seen, mean), (seen.mirrored, 1 - mean)))
    np.testing.assert_allclose(up, AUTHORS[mean][0], atol=5.1e-7)
    np.testing.assert_allclose(down, AUTHORS[mean][1], atol=5.1e-7)


def test_all_of_a_set_is_its_mean() -> None:
    values = RNG(3).random(120)
    seen = Seen(values, np.ones(120), 120)
    assert interval(seen, 0.1) == pytest.approx((values.mean(),) * 2, abs=1e-12)
    used = np.arange(120) % 4 > 0
    some = Seen(values * used, used.astype(float), 120)
    assert interval(some, 0.1) == pytest.approx((values[used].mean(),) * 2, abs=1e-12)


@pytest.mark.parametrize("name", WORLDS)
def test_within_is_what_the_interval_is(name: str) -> None:
    for length in range(1, len(WORLDS[name]) + 1, 3):
        seen = seen_of(WORLDS[name][:length], 60)
        for aim in (0.05, 0.2):
            if not seen.counts.any():
                assert not within(seen, aim)
                continue
            low, high = interval(seen, aim)
            far = max(high - seen.mean, seen.mean - low)
            if abs(far - aim) > 1e-5:
                assert within(seen, aim) == (far < aim)


def test_groups_count_as_one() -> None:
    """Of units of five whose values are all alike, the interval is that of the units alone."""
    values = RNG(4).random(30)
    alone = Seen(values, np.ones(30), 50)
    fives = Seen(5 * values, np.full(30, 5.0), 50, 5)
    assert interval(fives, 0.1) == pytest.approx(interval(alone, 0.1), abs=1e-12)


def test_values_are_scaled_by_their_bounds() -> None:
    sums, counts = np.array([-1.0, 0.0, 1.0, 0.0]), np.array([1.0, 1.0, 1.0, 0.0])
    seen = scaled(sums, counts, 9, 1, (-1.0, 1.0))
    assert seen is not None
    np.testing.assert_allclose(seen.sums, [0.0, 0.5, 1.0, 0.0])
    assert aim_of(1.0, (-1.0, 1.0)) == 0.005
    assert aim_of(1.0, (0.0, 1.0)) == 0.01
    assert scaled(sums, counts, 9, 1, (0.0, 1.0)) is None
    assert scaled(np.array([1.0 + 1e-9]), np.ones(1), 9, 1, (0.0, 1.0)) is not None


def test_p_values_equal_the_loop() -> None:
    values, margin = RNG(5).random((50, 2)), np.array([0.3, 0.45])
    for column, m in enumerate(margin):
        money, best, mean, spread, squares, total = 1.0, 1.0, 0.5, 0.25, 0.25, 0.5
        for t, x in enumerate(values[:, column]):
            ahead = max(mean - m, 0.0)
            money *= 1 + min(ahead / (spread + ahead**2), 0.5 / m) * (x - m)
            best, total = max(best, money), total + x
            mean = total / (t + 2)
            squares += (x - mean) ** 2
            spread = squares / (t + 2)
        assert above(values, margin)[column] == pytest.approx(1 / best, rel=1e-9)


def test_p_values_hold_however_long_one_looks() -> None:
    """Under the null a p under 5% at any of 400 looks is rare; where it is false, it is found."""
    rng = RNG(6)
    level = (rng.random((400, 500)) < 0.3).astype(float)
    false = (above(level, np.full(500, 0.3)) <= 0.05).sum()
    assert false <= stats.binom.isf(1e-5, 500, 0.05)
    assert (above(level, np.full(500, 0.2)) <= 0.05).mean() > 0.9


def _script() -> Any:
    path = ROOT / "scripts" / "simulate_until.py"
    spec = importlib.util.spec_from_file_location("simulate_until", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["Bernoulli 0.05", "beta(0.5, 0.5)", "0.2, now and then 1"])
def test_stopped_runs_cover(name: str) -> None:
    """200 stopped runs in small; docs/until.md has 2,000 of each world."""
    found = _script().stopped(name, images=2_000, points=5.0, runs=200, seed=1)
    missed = sum(not one.covers for one in found)
    assert missed <= stats.binom.isf(1e-5, 200, 0.05)
    assert sum(one.images for one in found) < 200 * 2_000  # they stop


def test_no_coverage_on_the_page_is_under_95_percent() -> None:
    page = (ROOT / "docs" / "until.md").read_text().partition("## What it saves")[0]
    cells = re.findall(r"([\d.]+)% \([\d,]+\)", page)
    assert len(cells) == 3 * (len(_script().WORLDS) + 3)
    assert min(map(float, cells)) >= 95


def test_a_fixed_interval_would_not() -> None:
    """What the sequence is for: an ordinary 95% interval, looked at as often, misses more."""
    rng, missed = RNG(7), 0
    for _ in range(300):
        values = (rng.random(2_000) < 0.3).astype(float)
        counts = np.arange(10, 2_001)
        means = np.cumsum(values)[9:] / counts
        half = 1.96 * np.sqrt(np.maximum(means * (1 - means), 1e-9) / counts)
        missed += bool((abs(means - 0.3) > half).any())
    assert missed / 300 > 0.2
    assert math.isclose(SIDE, math.log(40))
