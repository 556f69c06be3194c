"""The sentences of a check: at most seven, from its numbers, and a control never gets away."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from checks import CONTROLS, evidence, good, level, scores, similar, switched

from xaibench.analysis.check import judge
from xaibench.analysis.check.evidence import FAILED


def test_what_is_good_is_believed_as_far_as_it_was_tested() -> None:
    held = scores(good)
    down = switched(held, "rise.p", -2.0, method="rise", metric="insertion")
    more = (("transforms", "not asked for"), ("other networks", "one was given"))
    said = judge(evidence(held, switched=down, untested=more)).sentences
    assert len(said) == 7
    believed, doubted, useless, standards, robust, cost, untested = said
    assert believed.startswith(
        "What may be believed of RISE: its maps are better than every control (Fake-CAM, Random, "
        "Center and Edges) by Insertion and Deletion (2 of 4 metrics) on 20 images; change when"
    )
    assert "change with the class (20 of 20 images)" in believed
    assert "worse than Fake-CAM by Average drop" in doubted
    assert "4 of 16 comparisons with controls are undecided" in doubted
    assert useless.endswith("not shown to be better than noise: Average drop and Sparseness.")
    assert "better than Grad-CAM by Insertion and Deletion" in standards
    assert robust.startswith("1 of 1 switches")
    assert "rise.p: Insertion against Fake-CAM, Random, Center and Edges" in robust
    assert "from 1 to 7 of 7" in robust
    assert "1.2 s, 10% of its pixels" in cost
    assert "transforms (not asked for); other networks (one was given); Completeness" in untested


@pytest.mark.parametrize("method", CONTROLS)
@pytest.mark.parametrize("ahead", [0.0, 3.0])
def test_a_control_fails_visibly(method: str, ahead: float) -> None:
    """Its maps ask no network: the same under other weights, classes, noise; good scores or not."""
    frozen = similar(method, tests=dict.fromkeys(("weights", "class", "noise"), 1.0))
    found = scores(lambda who, metric: ahead * (who == method and metric == "insertion"))
    judgement = judge(evidence(found, method, sanity=frozen))
    assert "is a control" in judgement.sentences[0]
    assert "nothing of its maps may be believed" in judgement.sentences[0]
    assert judgement.sentences[1].count("(20 of 20 images)") == 3
    assert {sane.verdict for sane in judgement.sane} == {FAILED}
    if method == "random":
        assert "Of no use for it here" in judgement.sentences[2]


def test_too_few_images_are_said_to_be_too_few() -> None:
    said = judge(evidence(scores(good, 6), sanity=similar(images=6))).sentences
    few = "it differs from another method on at most 6 images, and a verdict on any of 24 "
    few += "comparisons needs 13"
    assert said[0] == f"Nothing may be believed of RISE yet: {few}."
    assert "16 of 16 comparisons with controls are undecided;" in said[1]
    assert not any("Of no use" in sentence for sentence in said)


def test_maps_alone_are_judged_by_what_there_is() -> None:
    """No network: no sanity, no switch, no cost; scores beside the controls alone."""
    bare = evidence(
        scores(good), standards=(), sanity=similar().iloc[:0], seconds={}, tied={}, constant={}
    )
    judgement = judge(replace(bare, untested=(("sanity", "there is no network"),)))
    assert judgement.sane == ()
    assert len(judgement.sentences) == 4
    assert judgement.sentences[-1].startswith("Not tested: sanity (there is no network)")


def test_no_scores_of_the_method_is_nothing_to_believe() -> None:
    held = scores(good)
    others = held[held["method"] != "rise"]
    said = judge(evidence(others, sanity=similar().iloc[:0])).sentences
    assert said[0].startswith("Nothing may be believed of RISE on this evidence")
    failed = pd.concat([others, held[held["method"] == "rise"].assign(status="failed")])
    assert judge(evidence(failed, sanity=similar().iloc[:0])).besides == ()


def test_without_a_sanity_test_none_is_said_to_be_failed() -> None:
    said = judge(evidence(scores(level), sanity=similar().iloc[:0])).sentences[0]
    assert said.endswith("than every control, and no sanity test could be made.")
    said = judge(evidence(scores(level), sanity=similar(tests={"class": 1.0}))).sentences[0]
    assert said.endswith("and they pass no sanity test.")


def test_maps_that_are_not_finite_and_images_without_a_similarity_are_said() -> None:
    few = similar(images=12)
    found = evidence(scores(good), sanity=few, nonfinite={"rise": 3})
    said = judge(found).sentences
    assert "the class (12 of 12 images, of 20: where neither map is constant)" in said[0]
    assert any("3 are not finite and in no number here" in sentence for sentence in said)
