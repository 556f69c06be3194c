"""How many images an undecided claim would take: against the t-test's own formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from test_claims_both_ways import quick
from worlds import PARTS, plain

from xaibench.analysis.claims.enough import MOST, NEAR, repeated, with_enough
from xaibench.analysis.claims.finding import HOLDS, UNDECIDED, UNMEASURED, Enough
from xaibench.published.tables import METHODS


def resized(change: np.ndarray) -> dict:
    """Cells of Fake-CAM's AD whose change under Resize, in points of 100 - AD, is this."""
    key = plain("fakecam", "average_drop")
    return {key: np.zeros(len(change)), key._replace(transform="resize"): -change / 100}


def exactly(mean: float, spread: float, n: int) -> np.ndarray:
    z = np.random.default_rng(0).normal(size=n)
    return mean + spread * (z - z.mean()) / z.std(ddof=1)


@pytest.mark.parametrize("mean", [-7.0, -5.5])
def test_it_is_where_the_t_test_turns(mean: float) -> None:
    n, spread = 20, 12.0
    found = with_enough(PARTS["fake_ad_drops"].check, quick(resized(exactly(mean, spread, n))))
    assert found.verdict == UNDECIDED
    assert found.needed is not None
    assert found.needed.verdict == HOLDS
    # mean - margin = t * s / sqrt(m); copies have the spread of n, not n - 1
    needed = next(
        m
        for m in range(n, MOST)
        if (5 + mean) / (spread * np.sqrt((n - 1) / n / (m - 1))) < stats.t.ppf(0.025, m - 1)
    )
    assert needed <= found.needed.images <= NEAR * needed + n


def test_a_claim_at_its_threshold_is_never_decided() -> None:
    found = with_enough(PARTS["fake_ad_drops"].check, quick(resized(exactly(-5.0, 12.0, 20))))
    assert found.needed == Enough(None, None)


def test_only_what_is_undecided_is_asked() -> None:
    sure = with_enough(PARTS["fake_ad_drops"].check, quick(resized(exactly(-50.0, 12.0, 20))))
    few = with_enough(PARTS["fake_ad_drops"].check, quick(resized(exactly(-5.5, 12.0, 9))))
    assert (sure.verdict, sure.needed) == (HOLDS, None)
    assert (few.verdict, few.needed) == (UNMEASURED, None)


def test_repeated_evidence_has_the_same_means() -> None:
    rng = np.random.default_rng(2)
    evidence = quick({plain(m, "insertion"): rng.random(12) for m in METHODS})
    thrice = repeated(evidence, 3)
    assert thrice.images == 36
    assert thrice.printed == pytest.approx(evidence.printed)
    keys = list(evidence.printed)
    assert np.array_equal(thrice.values(keys), np.tile(evidence.values(keys), (3, 1)))
