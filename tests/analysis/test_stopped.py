"""What is made of scores whose number they decided themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from oracles import sequences as oracle
from worlds import PARTS, plain, source, world

from xaibench.analysis.claims.evidence import from_run
from xaibench.analysis.claims.finding import HOLDS, UNMEASURED, UNTIL
from xaibench.analysis.compare import compare
from xaibench.analysis.measure import Key, measure
from xaibench.analysis.sequences import above
from xaibench.analysis.stopped import Asked, Stopped
from xaibench.report.pages.compare import page

IMAGES = 60
ORDER = np.random.default_rng(0).permutation(IMAGES)  # the images' names, in the drawn order
UNIT, WIDE = (0.0, 1.0), (-1.0, 1.0)
METHODS = ("gradcam", "gradcampp", "scorecam", "fakecam")


def stopped(points: float = 10.0, images: int = IMAGES, **more: object) -> Stopped:
    asked = Asked(
        points,
        images,
        5,
        METHODS,
        ("ground_truth",),
        ("none", "rotation"),
        {"deletion": UNIT, "monotonicity": WIDE},
    )
    return Stopped({f"{i:03d}": place for place, i in enumerate(ORDER)}, (replace(asked, **more),))


def frame(make_frame, values: dict[Key, np.ndarray]) -> pd.DataFrame:
    """Values in the drawn order: those of its first images."""
    return make_frame(
        [
            {**key._asdict(), "image": f"{i:03d}", "value": float(v), "variation": key.transform}
            for key, of in values.items()
            for i, v in zip(ORDER, of, strict=False)
        ]
    )


def test_intervals_are_those_of_the_order(make_frame) -> None:
    rng = np.random.default_rng(1)
    cells = {
        plain("gradcam", "deletion"): rng.random(40),
        plain("fakecam", "monotonicity"): rng.uniform(-1, 1, 50),
        plain("rise", "deletion"): rng.random(60),
        plain("gradcam", "complexity"): rng.random(60),
    }
    scores = frame(make_frame, cells)
    found, fixed = measure(scores, stopped=stopped()), measure(scores)
    for key, bounds in (
        (plain("gradcam", "deletion"), UNIT),
        (plain("fakecam", "monotonicity"), WIDE),
    ):
        width = bounds[1] - bounds[0]
        values = [float((v - bounds[0]) / width) for v in cells[key]]
        low, high = oracle.interval(values, IMAGES, 0.1 / width)
        ends = [(end - bounds[0]) / width for end in (found[key].low, found[key].high)]
        assert low - 0.006 <= ends[0] <= low + 1e-6
        assert high - 1e-6 <= ends[1] <= high + 0.006
        assert (found[key].points, found[key].n) == (10.0, len(values))
        assert found[key].mean == fixed[key].mean
    for key in (plain("rise", "deletion"), plain("gradcam", "complexity")):
        assert found[key] == fixed[key], "it was not to stop"


def test_the_least_points_of_several_count(make_frame) -> None:
    key = plain("gradcam", "deletion")
    scores = frame(make_frame, {key: np.random.default_rng(2).random(50)})
    one = stopped(10.0)
    both = replace(one, asked=(*one.asked, *stopped(2.0).asked, *stopped(1.0, method=()).asked))
    assert measure(scores, stopped=both)[key].points == 2.0


def test_a_value_beyond_its_bounds_has_no_interval(make_frame) -> None:
    key = plain("gradcam", "deletion")
    values = np.random.default_rng(3).random(50)
    values[7] = 1.5
    found = measure(frame(make_frame, {key: values}), stopped=stopped())[key]
    assert (found.low, found.high, found.unsure) == (None, None, True)


def test_transformed_images_are_drawn_by_fives(make_frame) -> None:
    key = Key("gradcam", "ground_truth", "rotation", "deletion")
    values = np.random.default_rng(4).random(52)
    found = measure(frame(make_frame, {key: values}), stopped=stopped())[key]
    groups = values[:50].reshape(10, 5).mean(axis=1)  # the last group is not whole
    low, high = oracle.interval(list(map(float, groups)), IMAGES // 5, 0.1)
    assert low - 0.006 <= found.low <= low + 1e-6
    assert high - 1e-6 <= found.high <= high + 0.006


def evidence_of(make_frame):
    """D of Fake-CAM is under the CAM methods'; Grad-CAM has 40 images, the others all."""
    rng = np.random.default_rng(5)
    cells = {plain(m, "deletion"): 0.2 + 0.1 * rng.random(IMAGES) for m in METHODS[:3]}
    cells[plain("gradcam", "deletion")] = cells[plain("gradcam", "deletion")][:40]
    cells[plain("fakecam", "deletion")] = 0.9 + 0.1 * rng.random(IMAGES)
    held = source(make_frame, {plain("fakecam", "deletion"): np.zeros(1)})
    held = replace(held, scores=frame(make_frame, cells), stopped=stopped())
    return from_run(held), cells


def test_claims_take_the_images_that_all_have_in_their_order(make_frame) -> None:
    evidence, cells = evidence_of(make_frame)
    keys = list(cells)
    expected = np.stack([100 - 100 * cells[key][:40] for key in keys], axis=1)
    np.testing.assert_allclose(evidence.values(keys), expected, atol=1e-9)
    finding = PARTS["d_not_fooled"].check(evidence)
    assert (finding.verdict, finding.n) == (HOLDS, 40)
    ahead = np.stack([expected[:, i] - expected[:, 3] for i in range(3)], axis=1)
    assert finding.p == pytest.approx(above(ahead / 200 + 0.5, np.full(3, 0.5)).max())
    assert PARTS["d_not_fooled"].check(replace(evidence, places=None)).p < finding.p


@pytest.mark.parametrize("part", ["i_positive", "fidelity_indistinct", "all_sensitive"])
def test_rules_without_such_a_test_decide_nothing(make_frame, part: str) -> None:
    held = source(make_frame, world(20), np.linspace(0, 1, 20))
    assert PARTS[part].check(from_run(held)).numbers != UNTIL
    finding = PARTS[part].check(from_run(replace(held, stopped=stopped())))
    assert (finding.verdict, finding.numbers) == (UNMEASURED, UNTIL)


def test_a_comparison_says_that_it_does_not_allow_for_it(make_frame) -> None:
    scores = frame(make_frame, {plain("gradcam", "deletion"): np.random.default_rng(6).random(40)})
    held = replace(source(make_frame, {plain("gradcam", "deletion"): np.ones(3)}), scores=scores)
    assert "--until" not in str(page(compare(held, held)))
    assert "--until" in str(page(compare(held, replace(held, stopped=stopped()))))
