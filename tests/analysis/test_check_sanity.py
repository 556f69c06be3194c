"""Sanity tests: maps that never change fail all of them, whatever else they do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from checks import similar
from scipy import stats

from xaibench.analysis.check.evidence import FAILED, PASSED, UNDECIDED, Sane
from xaibench.analysis.check.sanity import decide, exact_interval, sanity

ALL = ("weights", "class", "noise")


def by_test(rows: pd.DataFrame) -> dict[str, Sane]:
    return {sane.test: sane for sane in sanity(rows, ["rise"], 0)}


@pytest.mark.parametrize("n", [1, 5, 10, 20, 50])
def test_the_interval_is_scipys_and_decides_as_the_binomial_test(n: int) -> None:
    for k in range(n + 1):
        test = stats.binomtest(k, n)
        expected = test.proportion_ci(method="exact")
        assert exact_interval(k, n) == pytest.approx((expected.low, expected.high))
        sure = n >= 10 and test.pvalue < 0.05
        assert decide(k, n) == (UNDECIDED if not sure else PASSED if 2 * k > n else FAILED)


def test_a_map_that_never_changes_fails_every_test() -> None:
    found = by_test(similar(tests=dict.fromkeys(ALL, 1.0)))
    assert {test: found[test].verdict for test in found} == dict.fromkeys(ALL, FAILED)
    assert {sane.passed for sane in found.values()} == {0}


def test_last_bits_bring_no_map_nearer() -> None:
    found = by_test(similar(tests={"weights": 0.2, "noise": 0.2 + 1e-7}))
    assert (found["noise"].passed, found["noise"].verdict) == (0, FAILED)


def test_a_map_of_network_and_class_passes() -> None:
    found = by_test(similar())
    assert {test: found[test].verdict for test in found} == dict.fromkeys(ALL, PASSED)
    assert [found[t].mean for t in ALL] == pytest.approx([0.1, 0.5, 0.9])
    assert {sane.n for sane in found.values()} == {20}


def test_a_map_that_noise_moves_as_far_as_other_weights_fails_that_test_alone() -> None:
    found = by_test(similar(tests={"weights": 0.2, "class": 0.89, "noise": 0.2}))
    assert [found[t].verdict for t in ALL] == [PASSED, PASSED, FAILED]
    assert by_test(similar(tests={"weights": 0.5, "class": 0.9}))["weights"].verdict == FAILED


@pytest.mark.parametrize(("changed", "expected"), [(14, UNDECIDED), (15, PASSED), (5, FAILED)])
def test_most_images_decide(changed: int, expected: str) -> None:
    rows = similar(tests={"weights": 1.0})
    rows.loc[: changed - 1, "value"] = -1.0
    found = by_test(rows)["weights"]
    assert (found.passed, found.verdict) == (changed, expected)


def test_few_images_decide_nothing() -> None:
    assert {s.verdict for s in by_test(similar(images=9)).values()} == {UNDECIDED}
    (one,) = sanity(similar(images=1, tests={"weights": 0.0}), ["rise"], 0)
    assert (one.low, one.high, one.n) == (None, None, 1)


def test_rows_of_an_image_are_averaged_and_what_is_not_finite_is_left_out() -> None:
    rows = similar(tests={"weights": 0.0, "noise": 0.9})
    again = rows.assign(value=rows["value"] + 0.8)  # another draw: 0.4 and 1.3 in the mean
    again.loc[again["image"] == "00.jpg", "value"] = np.nan
    lost = similar(tests={"weights": np.nan}).iloc[:1].assign(image="99.jpg")
    found = by_test(pd.concat([rows, again, lost]))
    assert found["weights"].n == 20
    assert found["weights"].mean == pytest.approx((19 * 0.4 + 0.0) / 20)
    assert found["weights"].passed == 20
    assert by_test(similar(tests={"noise": 0.9})) == {}  # nothing to be nearer than
    assert sanity(similar().iloc[:0], ["rise"], 0) == ()
