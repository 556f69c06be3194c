"""Every rule on data where it holds, where it fails, and where it cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
from frames import EXACT, RESIDUAL, declared
from worlds import GRADIENT, PARTS, PRINTED, Cells, against, changed, check, moved, plain, world

from xaibench.analysis.claims.evidence import Evidence
from xaibench.analysis.claims.finding import FACT, FAILS, HOLDS, UNDECIDED
from xaibench.config.declared import shipped
from xaibench.published.tables import FORMS, METHODS

CONFIDENCE = ("average_increase", "average_drop", "average_gain")
FAILING = {
    # Gradient methods above LIME in AI: 3 of 6 metrics are no more than half.
    "gradient_weak": lambda: changed({plain("ig", "average_increase"): 0.2}),
    "cam_best": lambda: changed(
        {plain("rise", m): 9.0 for m in ("average_increase", "insertion", "monotonicity")}
    ),
    "ag_i_not_fooled": lambda: changed({plain("fakecam", "insertion"): 0.665}),
    "d_not_fooled": lambda: changed({plain("fakecam", "deletion"): 0.14}),
    "fidelity_indistinct_without": lambda: changed(
        {
            plain(m, metric): 0.1 * i
            for i, m in enumerate(x for x in METHODS if x not in GRADIENT)
            for metric in ("average_increase", "average_gain", "insertion")
        }
    ),
    # AI, AD and AG of the three 20% of the range apart: close in half of the metrics, no more.
    "gradient_alike": lambda: changed({plain("ig", m): 0.5 for m in CONFIDENCE}),
    "cam_alike": lambda: changed({plain("gradcam", m): 0.0 for m in CONFIDENCE}),
    "favour_large": lambda: changed(
        {
            plain(m, metric): world()[plain(m, "sparseness")].mean()
            for m in METHODS
            for metric in CONFIDENCE
        }
    ),
    "fake_top_two": lambda: changed({plain("rise", "average_increase"): 0.9}),
    "fake_top_two_in_m": lambda: changed({plain(m, "monotonicity"): 0.9 for m in ("rise", "ig")}),
    "truth_above_predicted": lambda: against(world(), "predicted", CONFIDENCE, -9.0),
    "predicted_slightly_lower": lambda: against(
        world(), "predicted", ("average_increase", "average_drop"), 8.0
    ),
    "predicted_alike": lambda: against(world(), "predicted", CONFIDENCE, 8.0),
    "least_probable_apart": lambda: against(world(), "least_probable", ("insertion",), 30.0),
    "robustness_extremes": lambda: {
        k: v if k.method == "gradcam" else world()[k._replace(method="gradcam")]
        for k, v in world().items()
        if k.transform == "none" and k.target == "ground_truth"
    },
    "robustness_indistinct": lambda: changed(
        {
            plain(m, metric): 0.1 * i
            for i, m in enumerate(METHODS)
            for metric in ("max_sensitivity", "avg_sensitivity", "sparseness")
        }
    ),
    "all_sensitive": lambda: moved(world(), 0.3, ("rise",)),
    "gradient_more_sensitive": lambda: moved(world(), 0.5, GRADIENT),
    "cam_more_stable": lambda: moved(world(), 0.5, GRADIENT),
    "gradient_vary": lambda: moved(world(), 0.5, GRADIENT),
    "fake_ai_rises": lambda: moved(world(), 0.1, ("fakecam",)),
    "metrics_sensitive": lambda: moved(world(), 0.1),
    "ag_most_stable": lambda: moved(world(), 0.1, metrics=("deletion",)),
    # D is left 3.3 points of its 10.
    "only_ag_stable": lambda: moved(world(), 0.33, metrics=("deletion",)),
    "fake_ad_drops": lambda: moved(world(), 0.01, ("fakecam",), metrics=("average_drop",)),
    "i_falls_d_rises": lambda: moved(world(), -1.0),
    "less_in_crop": lambda: moved(world(), -1.0),
}
HOLDING = {
    "fake_cam_best": lambda: changed({plain("fakecam", "insertion"): 0.7}),
    "fidelity_indistinct": lambda: changed(
        {
            plain(m, metric): 0.5 + 0.005 * i
            for i, m in enumerate(METHODS)
            for metric in ("average_increase", "average_gain", "insertion", "average_drop")
        }
    ),
    "truth_above_least": lambda: against(
        world(), "least_probable", ("average_increase", "average_drop"), 9.0
    ),
}


def test_every_rule_is_tried_both_ways() -> None:
    tried = {key for key, verdict in PRINTED.items() if verdict == HOLDS} - FAILING.keys()
    assert not tried
    assert {key for key, verdict in PRINTED.items() if verdict == FAILS} == HOLDING.keys()


@pytest.mark.parametrize("key", FAILING)
def test_a_claim_can_fail(make_frame, key: str) -> None:
    assert check(make_frame, key, FAILING[key]()).verdict == FAILS


@pytest.mark.parametrize("key", HOLDING)
def test_a_claim_can_hold(make_frame, key: str) -> None:
    assert check(make_frame, key, HOLDING[key]()).verdict == HOLDS


def test_no_difference_is_not_want_of_data(make_frame) -> None:
    """Ten images of noise as wide as the scale do not show that methods are alike."""
    rng = np.random.default_rng(1)
    metrics = [m for m in FORMS if PARTS and m in world_metrics()]
    for images, verdict in ((10, UNDECIDED), (40_000, HOLDS)):
        cells = {plain(m, k): rng.normal(0.5, 0.3, images) for m in METHODS for k in metrics}
        evidence = quick(cells)
        assert PARTS["fidelity_indistinct"].check(evidence).verdict == verdict


def world_metrics() -> set[str]:
    return {key.metric for key in world(2) if key.target == "predicted"} | {"monotonicity"}


def quick(cells: Cells) -> Evidence:
    """Evidence without a frame, which would be large."""
    from xaibench.analysis.claims.evidence import from_cells
    from xaibench.analysis.measure import Group

    n = len(next(iter(cells.values())))
    place, ones = np.arange(n), np.ones(n)
    groups = {k: Group(place, v, ones, 0, {}, ("none",)) for k, v in cells.items()}
    return from_cells(groups, n, RESIDUAL)


@pytest.mark.parametrize("zeros", [10, 60])
def test_values_that_never_differed_prove_nothing_on_few_images(zeros: int) -> None:
    """AI 0 of 10 for all: one image in twenty may still change, five points."""
    from xaibench.analysis.claims.significance import above

    alike = np.zeros((zeros, 1))
    assert above(alike, -5.0, 100.0)[0] > 0.025
    assert above(np.zeros((2000, 1)), -5.0, 100.0)[0] < 0.025


@pytest.mark.parametrize("protocol", ["published", "published+x", "mine"])
def test_completeness_is_what_the_run_declares(make_frame, protocol: str) -> None:
    """0.0 is a failure of the exact test, and a residual that passes."""
    failed = {plain(m, "completeness"): np.zeros(200) for m in METHODS}
    found = check(make_frame, "completeness_unmet", failed, catalog=EXACT, protocol=protocol)
    assert (found.verdict, found.n) == (FACT, 200)
    assert "none of 10 methods passes" in found.numbers
    found = check(make_frame, "completeness_unmet", failed, catalog=RESIDUAL, protocol=protocol)
    assert found.verdict == FAILS
    half = {plain("ig", "completeness"): np.repeat([0.0, 0.5], 50)}
    found = check(make_frame, "completeness_unmet", half, catalog=RESIDUAL, protocol=protocol)
    assert found.verdict == HOLDS
    assert "IG passes on 50%" in found.numbers


def test_a_run_says_whether_its_maps_are_transposed(make_frame) -> None:
    for transposed, words in (
        ((), "maps are not transposed"),
        (("gradient",), "the maps of Gradient are transposed"),
        (None, "not known here"),
    ):
        catalog = shipped() if transposed is None else declared(transposed)
        found = check(make_frame, "gradient_more_sensitive", world(20), catalog=catalog)
        assert words in found.numbers
