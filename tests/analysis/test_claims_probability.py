"""The claims on Figure 2, on scores that follow the probability of the class or do not."""

from __future__ import annotations

import re

import numpy as np
import pytest
from worlds import IMAGES, Cells, check, plain

from xaibench.analysis.claims.evidence import FAILS, HOLDS, UNMEASURED
from xaibench.published.tables import METHODS

METRICS = ("insertion", "deletion", "average_gain", "average_drop")


def following(
    signs: dict[str, float], noise: float, images: int = IMAGES
) -> tuple[Cells, np.ndarray]:
    rng = np.random.default_rng(4)
    p = rng.random(images)
    cells = {
        plain(m, metric): signs.get(metric, 0.0) * p + rng.normal(0, noise, images)
        for m in METHODS
        for metric in METRICS
    }
    return cells, p


@pytest.mark.parametrize(
    ("key", "holds", "fails"),
    [
        ("i_d_positive", {"insertion": 1, "deletion": 0.5}, {"insertion": 1, "deletion": -1}),
        ("i_positive", {"insertion": 1}, {"deletion": 1}),
        (
            "cam_ag_ad",
            {"average_gain": 1, "average_drop": -1},
            {"average_gain": 1, "average_drop": 1},
        ),
        ("d_less_than_i", {"insertion": 1, "deletion": 0.2}, {"insertion": 0.2, "deletion": 1}),
    ],
)
def test_following_the_probability(make_frame, key: str, holds: dict, fails: dict) -> None:
    good = check(make_frame, key, *following(holds, 0.3))
    assert (good.verdict, good.n) == (HOLDS, IMAGES)
    assert "rho with the probability" in good.numbers
    assert check(make_frame, key, *following(fails, 0.3)).verdict == FAILS
    few = check(make_frame, key, *following({}, 0.3, 12))
    assert few.verdict == UNMEASURED  # not zero beyond doubt either
    cells, _ = following(holds, 0.3)
    assert check(make_frame, key, cells).numbers == "the run holds no predictions"


def test_a_weak_correlation_is_positive_too(make_frame) -> None:
    cells, p = following({"insertion": 0.2, "deletion": 0.2}, 0.25, 400)
    finding = check(make_frame, "i_d_positive", cells, p)
    rho = float(re.search(r"I ([+-]\d\.\d\d)", finding.numbers)[1])
    assert finding.verdict == HOLDS
    assert 0.1 < rho < 0.5
