"""Methods of one run against each other: ranks, tests, and whom that leaves."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pandas as pd
import pytest
from frames import EXACT, declared, frame

from xaibench.analysis.choose import choose, wins
from xaibench.analysis.compare import Source
from xaibench.config.catalog import STOOD_IN
from xaibench.errors import XaibenchError
from xaibench.report.sentences import sentences

BETTER = {"insertion": 1, "deletion": -1, "sparseness": 1}
STAND_IN = declared(sensitivity={"explanation": "gradient_stand_in"})


def scores(lift: dict[str, float], images: int = 12, metrics: tuple[str, ...] = tuple(BETTER)):
    """Random values in [0, 1] by method, so much better than others by every metric."""
    rng = np.random.default_rng(3)
    return frame(
        {
            "image": f"{i:02d}.jpg",
            "method": method,
            "metric": metric,
            "value": float(rng.normal(0.5, 0.1) + BETTER.get(metric, 1) * more),
        }
        for method, more in lift.items()
        for metric in metrics
        for i in range(images)
    )


def chosen(rows: pd.DataFrame, **more: object):
    return choose(Source("run", rows, catalog=EXACT, **more), resamples=50)


def test_ranks_and_p_values_by_counting() -> None:
    found = chosen(scores({"gradcam": 0.1, "rise": 0.0, "lime": 0.0}, images=6))
    rows = scores({"gradcam": 0.1, "rise": 0.0, "lime": 0.0}, images=6)
    held = rows.pivot(index=["image", "metric"], columns="method", values="value")
    fidelity = next(s for s in found.standings if s.group == "fidelity")
    assert (set(fidelity.metrics), fidelity.n) == ({"insertion", "deletion"}, 6)
    ranks, won = {m: [] for m in held}, []
    for image in sorted(set(rows.image)):
        better = {
            m: {k: BETTER[k] * held.loc[(image, k), m] for k in fidelity.metrics} for m in held
        }
        for m, own in better.items():
            lost = [sum(o[k] > own[k] for o in better.values()) for k in own]
            ranks[m].append(1 + np.mean(lost))
        pair = better["gradcam"], better["rise"]
        won.append(np.mean([np.sign(pair[0][k] - pair[1][k]) for k in fidelity.metrics]))
    for method, rank in fidelity.ranks.items():
        assert rank.mean == pytest.approx(np.mean(ranks[method]))
    duel = next(
        d
        for d in found.duels
        if d.group == "fidelity" and {d.first, d.second} == {"gradcam", "rise"}
    )
    sums = [abs(np.dot(signs, won)) for signs in product((-1, 1), repeat=len(won))]
    assert duel.p == pytest.approx(np.mean(np.array(sums) >= abs(sum(won)) - 1e-9))
    share = (1 + np.mean(won)) / 2
    assert duel.share == pytest.approx(share if duel.first == "gradcam" else 1 - share)


def test_the_best_is_named_and_a_control_never_is() -> None:
    rows = scores({"gradcam": 0.8, "rise": 0.0, "lime": 0.0, "fakecam": 2.0}, images=20)
    found = chosen(rows)
    assert found.controls == ("fakecam",)
    for standing in found.judged:
        assert found.first(standing) == "gradcam"
        assert min(standing.ranks, key=lambda m: standing.ranks[m].mean) == "fakecam"
        assert "gradcam" in found.beaten(standing.group, "fakecam")
    assert found.everywhere == ["gradcam"]
    compared, leaders, decision, _, controls = sentences(found)
    assert compared.startswith("3 methods on 20 images, ground-truth class: fidelity by ")
    assert leaders == "In fidelity and complexity Grad-CAM beats every other method."
    assert decision.startswith("Choose Grad-CAM: no other method that can be chosen beats it ")
    assert "Fake-CAM beats Grad-CAM in fidelity and complexity: do not believe" in controls


def test_equals_are_not_told_apart() -> None:
    timings = [
        {"stage": "explain", "method": m, "device": "cpu", "seconds": s, "results": 1.0}
        | {"forwards": 1.0, "backwards": 0.0}
        for m, s in (("gradcam", 1.0), ("rise", 4.0), ("lime", 2.0))
    ]
    rows = scores({"gradcam": 0.0, "rise": 0.0, "lime": 0.0}, images=20)
    found = chosen(rows, timings=timings)
    assert set(found.everywhere) == {"gradcam", "rise", "lime"}
    _, leaders, decision, cost, controls = sentences(found)
    assert leaders == "In fidelity and complexity nothing tells the 3 methods apart."
    assert "no test here tells them apart; the fastest of them is Grad-CAM." in decision
    assert "RISE takes 4 times as long" in cost
    assert re.search(r"add one \(--method [a-z,]*fakecam", controls)


def test_what_is_good_at_one_thing_is_chosen_for_that() -> None:
    rows = scores({"gradcam": 0.8, "rise": 0.0}, images=20)
    rows.loc[(rows.metric == "sparseness") & (rows.method == "gradcam"), "value"] -= 2
    found = chosen(rows)
    assert found.everywhere == []
    decision = sentences(found)[2]
    assert decision == (
        "No method is unbeaten in every group: choose Grad-CAM for fidelity, RISE for complexity."
    )


def test_few_images_decide_nothing() -> None:
    found = chosen(scores({"gradcam": 0.8, "rise": 0.0}, images=9))
    assert found.judged == []
    assert not any(duel.winner for duel in found.duels)
    assert "nothing is decided" in sentences(found)[1]


def test_what_does_not_rank_is_named() -> None:
    rows = scores({"gradcam": 0.0, "rise": 0.1}, metrics=(*BETTER, "max_sensitivity", "complexity"))
    rows = rows[(rows.method != "rise") | (rows.metric != "deletion")]
    rows.loc[rows.metric == "complexity", "value"] = 3.0
    found = choose(Source("run", rows, catalog=STAND_IN), resamples=2)
    left = {m: why for s in found.standings for m, why in s.left_out.items()}
    assert left == {
        "deletion": "not scored for RISE",
        "max_sensitivity": STOOD_IN,
        "complexity": "every method has the same values",
    }
    assert ("max_sensitivity",) in [s.metrics for s in chosen(rows).standings]


def test_a_pair_is_what_it_is_whoever_else_is_there() -> None:
    rows = scores({"gradcam": 0.05, "rise": 0.0, "lime": 0.3, "fakecam": 0.1})
    both = chosen(rows[rows.method.isin(["gradcam", "rise"])]).duels
    among = [d for d in chosen(rows).duels if {d.first, d.second} == {"gradcam", "rise"}]
    assert [(d.share, d.p, d.interval) for d in both] == [(d.share, d.p, d.interval) for d in among]


def test_controls_are_ranked_and_not_tested_against_each_other() -> None:
    found = chosen(scores({"gradcam": 0.0, "fakecam": 0.1, "center": 0.2}))
    assert {frozenset((d.first, d.second)) for d in found.duels} == {
        frozenset(("gradcam", control)) for control in ("fakecam", "center")
    }
    assert all(sum(r.mean for r in s.ranks.values()) == pytest.approx(6) for s in found.standings)


def test_images_without_a_usable_score_are_left_out_for_all() -> None:
    rows = scores({"gradcam": 0.0, "rise": 0.0})
    rows.loc[(rows.image == "03.jpg") & (rows.method == "rise"), "status"] = "nonfinite"
    assert {s.n for s in chosen(rows).standings} == {11}
    rows.loc[rows.method == "rise", "status"] = "failed"
    found = chosen(rows)
    assert {m for s in found.standings for m in s.ranks} == {"gradcam"}
    assert found.duels == ()


def test_values_within_rounding_are_equal() -> None:
    a, b = np.array([[0.5, 0.2, 1e-7]]), np.array([[0.5 + 1e-8, 0.1, 0.0]])
    assert wins(a, b).tolist() == [pytest.approx(1 / 3)]


def test_transformed_images_alone_are_refused() -> None:
    with pytest.raises(XaibenchError, match="no scores of untouched images"):
        chosen(scores({"gradcam": 0.0}).assign(transform="crop"))


def test_without_a_common_image_that_is_the_reason() -> None:
    rows = scores({"gradcam": 0.1, "rise": 0.0})
    apart = rows["image"].where(rows["method"] == "gradcam", "x" + rows["image"])
    found = chosen(rows.assign(image=apart))
    assert {why for s in found.standings for why in s.left_out.values()} == {
        "no image that all methods have"
    }


def test_a_control_that_is_not_in_a_group_was_not_beaten_there() -> None:
    rows = scores({"gradcam": 0.9, "rise": 0.0, "random": 0.0})
    fidelity = (rows["method"] == "random") & (rows["metric"] != "sparseness")
    said = sentences(chosen(rows[~fidelity]))[-1]
    assert "in every group" not in said
    assert "against Random in fidelity" in said


def test_a_method_is_not_dropped_for_a_group_that_it_is_not_in() -> None:
    rows = scores({"gradcam": 0.0, "rise": 0.0, "lime": 0.0})
    gone = (rows["method"] == "lime") & (rows["metric"] == "sparseness")
    found = chosen(rows[~gone])
    assert found.everywhere == ["gradcam", "rise", "lime"]
    assert "LIME was not compared in complexity" in sentences(found)[2]


def test_a_control_that_beats_what_is_chosen_is_said() -> None:
    """Noise is better by insertion: no page may recommend the method and be silent about it."""
    found = chosen(scores({"gradcam": 0.0, "rise": -0.9, "random": 0.9}))
    assert found.everywhere == ["gradcam"]
    said = sentences(found)
    assert "no other method that can be chosen beats it" in said[2]
    assert "a control (Random) beats some, see below" in said[2]
    assert said[4].startswith("Worse than a control: Random beats Grad-CAM in ")


def test_images_and_methods_without_a_score_are_said() -> None:
    rows = scores({"gradcam": 0.1, "rise": 0.0, "lime": 0.0})
    short = rows[~((rows["method"] == "rise") & (rows["image"] > "09.jpg"))]
    lost = short["method"] == "lime"
    short = short.assign(status=short["status"].astype(str).where(~lost, "failed"))
    said = sentences(chosen(short))[0]
    assert said.startswith("2 methods on 10 images that all have of 12, ")
    assert said.endswith("; without a score: LIME.")


def test_what_never_changes_is_not_ranked_by_how_much_it_changes() -> None:
    rows = scores({"gradcam": 0.1, "rise": 0.0, "random": 0.0}, metrics=("max_sensitivity",))
    own = declared(sensitivity={"explanation": "method"})
    found = choose(Source("run", rows, catalog=own), resamples=50)
    assert [set(s.ranks) for s in found.standings] == [{"gradcam", "rise"}]
