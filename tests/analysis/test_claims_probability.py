"""The claims on Figure 2, on scores that follow the probability of the class or do not."""

from __future__ import annotations

import re

import numpy as np
import pytest
from worlds import IMAGES, Cells, check, plain

from xaibench.analysis.claims.evidence import CAM
from xaibench.analysis.claims.finding import FAILS, HOLDS, UNDECIDED, UNMEASURED
from xaibench.analysis.claims.shifts import TRANSFORMS
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
    assert "mean rank with the probability" in good.numbers
    assert check(make_frame, key, *following(fails, 0.3)).verdict == FAILS
    few = check(make_frame, key, *following({}, 0.3, 12))
    assert few.verdict == UNDECIDED  # not zero beyond doubt either
    cells, _ = following(holds, 0.3)
    assert check(make_frame, key, cells).numbers == "the run holds no predictions"


def test_a_weak_correlation_is_positive_too(make_frame) -> None:
    cells, p = following({"insertion": 0.2, "deletion": 0.2}, 0.25, 400)
    finding = check(make_frame, "i_d_positive", cells, p)
    rho = float(re.search(r"I .*?of one method ([+-]\d\.\d\d)", finding.numbers)[1])
    assert finding.verdict == HOLDS
    assert 0.1 < rho < 0.5


@pytest.mark.parametrize("cam", [1.0, 0.3])
def test_other_methods_go_less_with_the_probability(make_frame, cam: float) -> None:
    cells, p = following({}, 0.3)
    for method in METHODS:
        slope = cam if method in CAM else 0.6
        cells[plain(method, "average_gain")] += slope * p
        cells[plain(method, "average_drop")] -= slope * p
    finding = check(make_frame, "others_less", cells, p)
    assert (finding.verdict, finding.n) == (HOLDS if cam > 0.6 else FAILS, IMAGES)
    ag = re.search(r"AG ([+-]\d\.\d\d) and ([+-]\d\.\d\d); AD", finding.numbers)
    assert (float(ag[1]) > float(ag[2])) == (cam > 0.6)
    assert "AD -" in finding.numbers  # the drop itself


@pytest.mark.parametrize(("slope", "verdict"), [(1.0, HOLDS), (0.0, FAILS)])
def test_changes_go_with_those_of_the_probability(make_frame, slope: float, verdict: str) -> None:
    rng = np.random.default_rng(5)
    names = ("none", *TRANSFORMS)
    p = {name: rng.random(IMAGES) for name in names}
    cells = {
        plain(m, metric)._replace(transform=name): slope * p[name] + rng.normal(0, 0.3, IMAGES)
        for m in METHODS
        for metric in ("insertion", "deletion")
        for name in names
    }
    finding = check(make_frame, "linked_to_probability", cells, p)
    assert (finding.verdict, finding.n) == (verdict, IMAGES)
    missing = check(make_frame, "linked_to_probability", cells, {"none": p["none"]})
    assert missing.verdict == UNMEASURED
    assert missing.numbers == "no predictions for transformed inputs"


def test_fake_cams_ad_on_resized_inputs(make_frame) -> None:
    """The paper's text goes by a printed 2.0 that stands for AG's value: 90.5 is a drop too."""
    key = plain("fakecam", "average_drop")
    for resized, verdict in ((0.98, HOLDS), (0.095, HOLDS), (0.02, FAILS)):
        cells = {
            key: np.full(60, 0.008) + np.linspace(-0.004, 0.004, 60),
            key._replace(transform="resize"): np.full(60, resized) + np.linspace(-0.01, 0.01, 60),
        }
        finding = check(make_frame, "fake_ad_drops", cells)
        assert finding.verdict == verdict
    assert finding.numbers == "Fake-CAM's 100 - AD 99.2, under resize 98.0"
