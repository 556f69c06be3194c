"""A method beside controls and standards: against slow loops, and where the answer is known."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from checks import CONTROLS, METRICS, STANDARDS, evidence, good, level, scores

from xaibench.analysis.check import judge
from xaibench.analysis.check.beside import ALPHA, needed
from xaibench.analysis.check.evidence import BETTER, UNDECIDED, WORSE, Judgement
from xaibench.analysis.check.words import beating
from xaibench.config.declared import of_protocol
from xaibench.errors import XaibenchError


def slow_p(changes: list[float]) -> float:
    """Every pattern of signs, one by one."""
    observed = abs(sum(changes)) - 1e-12
    patterns = list(product((-1, 1), repeat=len(changes)))
    far = sum(
        abs(sum(s * c for s, c in zip(signs, changes, strict=True))) >= observed
        for signs in patterns
    )
    return far / len(patterns)


def slow_holm(p: list[float]) -> list[float]:
    """Holm's rule as it is told: the smallest p times their number, the next times one less."""
    adjusted, largest = [0.0] * len(p), 0.0
    for step, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, p[i] * (len(p) - step)))
        adjusted[i] = largest
    return adjusted


def test_equals_slow_loops() -> None:
    """Eleven images, three others, two metrics: one of which is better the lower it is."""
    two = ("deletion", "sparseness")
    held = scores(lambda who, _metric: 4.0 * (who == "rise"), 11, metrics=two)
    held.loc[held["metric"] == "sparseness", "value"] = np.round(held["value"], 1)  # ties
    found = judge(evidence(held, controls=("random", "edges"), standards=("gradcam",))).besides
    rows = held[["method", "metric", "image", "value"]].itertuples(index=False)
    values = {(m, k, i): v for m, k, i, v in rows}
    images = sorted(set(held["image"]))
    assert len(found) == 6
    p = []
    for beside in found:
        lower = beside.metric == "deletion"
        pair = [
            (values["rise", beside.metric, i], values[beside.other, beside.metric, i])
            for i in images
        ]
        wins = sum(a < b if lower else a > b for a, b in pair)
        draws = sum(a == b for a, b in pair)
        assert beside.share == pytest.approx((wins + draws / 2) / 11)
        mean = 100 * sum(a - b for a, b in pair) / 11 * (-1 if lower else 1)  # 100 - D%
        assert beside.difference == pytest.approx(mean)
        assert beside.mean - beside.other_mean == pytest.approx(mean)
        p.append(slow_p([a - b for a, b in pair]))
        assert beside.p == pytest.approx(p[-1])
        assert beside.control is (beside.other != "gradcam")
    for beside, q in zip(found, slow_holm(p), strict=True):
        assert beside.adjusted == pytest.approx(q)
        expected = WORSE if beside.metric == "deletion" else BETTER
        assert beside.verdict == (expected if q < ALPHA else UNDECIDED)
    assert {beside.verdict for beside in found} == {WORSE, BETTER}


def verdicts(judgement: Judgement, metric: str) -> set[str]:
    return {beside.verdict for beside in judgement.besides if beside.metric == metric}


def test_verdicts_are_those_of_the_world() -> None:
    judgement = judge(evidence(scores(good)))
    assert len(judgement.besides) == 4 * 6
    assert verdicts(judgement, "insertion") == {BETTER}
    assert verdicts(judgement, "deletion") == {BETTER}
    assert verdicts(judgement, "average_drop") == {WORSE}
    assert verdicts(judgement, "sparseness") == {UNDECIDED}
    assert judgement.undirected == ("completeness",)
    assert judgement.useless == ("average_drop", "sparseness")
    assert [b.other for b in judgement.against("gradcam")] == ["gradcam"] * 4
    first = judgement.against("random")[0]
    assert (first.metric, first.column.header) == ("average_drop", "100 - AD%")
    assert first.difference < first.high < 0


def test_where_all_are_alike_nothing_is_decided_and_every_metric_is_of_no_use() -> None:
    judgement = judge(evidence(scores(level)))
    assert {beside.verdict for beside in judgement.besides} == {UNDECIDED}
    assert judgement.decidable
    assert judgement.useless == ("average_drop", "insertion", "deletion", "sparseness")


@pytest.mark.parametrize("images", [1, 9, 10])
def test_few_images_decide_nothing_and_condemn_no_metric(images: int) -> None:
    """Ten: no p can be small enough for 24 comparisons."""
    judgement = judge(evidence(scores(good, images)))
    assert {beside.verdict for beside in judgement.besides} == {UNDECIDED}
    assert not judgement.decidable
    assert judgement.useless == ()
    assert (judgement.besides[0].low is None) is (images == 1)


@pytest.mark.parametrize("comparisons", [1, 24, 66, 1000])
def test_so_many_images_are_needed_for_one_verdict(comparisons: int) -> None:
    least = needed(comparisons)
    assert slow_holm([2.0 ** (1 - least)] + [1.0] * (comparisons - 1))[0] < ALPHA
    assert least == 10 or slow_holm([2.0 ** (2 - least)] + [1.0] * (comparisons - 1))[0] >= ALPHA


def test_last_bits_are_no_difference() -> None:
    held = scores(good)
    mine = held[held["method"] == "rise"]
    held.loc[held["method"] == "edges", "value"] = mine["value"].to_numpy() + 1e-6
    for beside in judge(evidence(held)).against("edges"):
        assert (beside.difference, beside.share, beside.p) == (0, 0.5, 1)


def test_images_that_one_lacks_are_left_out_of_the_pair() -> None:
    held = scores(good)
    whole = judge(evidence(held)).against("edges")[1]
    held.loc[(held["method"] == "edges") & (held["image"] == "03.jpg"), "status"] = "nonfinite"
    held.loc[(held["method"] == "rise") & (held["image"] == "04.jpg"), "value"] = np.nan
    judgement = judge(evidence(held))
    assert [judgement.against(other)[1].n for other in ("edges", "random")] == [18, 19]
    part = judgement.against("edges")[1]
    kept = held[(held["metric"] == "insertion") & ~held["image"].isin(("03.jpg", "04.jpg"))]
    means = kept.groupby("method")["value"].mean()
    assert part.difference == pytest.approx(100 * (means["rise"] - means["edges"]))
    assert part.difference != pytest.approx(whole.difference)


def test_order_of_rows_other_targets_and_transforms_change_nothing() -> None:
    held = scores(good)
    other = held.assign(value=held["value"][::-1].to_numpy())
    more = [other.assign(target="predicted"), other.assign(transform="crop", variation="32")]
    mixed = pd.concat([held, *more]).sample(frac=1, random_state=1).astype({"method": "category"})
    one, two = judge(evidence(held)), judge(evidence(mixed))
    assert one.besides == two.besides
    assert one.target == two.target == "ground_truth"


def test_the_method_itself_is_no_control_of_its_own() -> None:
    judgement = judge(evidence(scores(level, method="random"), "random"))
    assert {beside.other for beside in judgement.besides} == {*CONTROLS, *STANDARDS} - {"random"}
    assert set(judgement.useless) == {*METRICS} - {"completeness"}


def test_what_cannot_be_judged_is_said() -> None:
    held = scores(good)
    with pytest.raises(XaibenchError, match="untouched images"):
        judge(evidence(held.assign(transform="crop")))
    with pytest.raises(XaibenchError, match="an image twice for method rise, metric average_drop"):
        judge(evidence(pd.concat([held, held[held["method"] == "rise"]])))


def test_pairs_in_which_nothing_differs_make_no_other_undecided() -> None:
    """Completeness of `published` is 0 of every map: no correction has to count it."""
    two = ("insertion", "deletion")
    held = scores(lambda who, _metric: 1.1 * (who == "rise"), 14, metrics=two)
    level_ = held[held["metric"] == "insertion"].assign(value=0.0)
    same = [level_.assign(metric=name) for name in ("sparseness", "average_drop")]
    alone, beside = (judge(evidence(pd.concat([held, *more]))) for more in ([], same))
    assert (alone.counted, beside.counted, len(beside.besides)) == (12, 12, 24)
    assert [b.adjusted for b in beside.besides if b.metric in two] == [
        b.adjusted for b in alone.besides
    ]
    rest = [b for b in beside.besides if b.metric not in two]
    assert {(b.apart, b.p, b.adjusted, b.verdict) for b in rest} == {(0, 1.0, 1.0, UNDECIDED)}
    assert not {"sparseness", "average_drop"} & set(beside.useless)  # nobody could have told


def test_a_metric_of_which_few_images_differ_is_not_called_of_no_use() -> None:
    """AG of 20 images, 15 of them 0 for both: five that differ decide nothing."""
    held = scores(good)
    of = held["metric"] == "sparseness"
    late = held["image"] > "04.jpg"
    held.loc[of & late, "value"] = 0.0
    judgement = judge(evidence(held))
    (one,) = (b for b in judgement.against("random") if b.metric == "sparseness")
    assert (one.n, one.apart) == (20, 5)
    assert judgement.useless == ("average_drop",)


def test_a_stand_ins_explanation_judges_no_method() -> None:
    held = scores(lambda who, _metric: 5.0 * (who == "rise"), metrics=("max_sensitivity",))
    held = pd.concat([held, scores(good, metrics=("insertion",))])
    stood_in = of_protocol({"metrics": {"sensitivity": {"explanation": "gradient_stand_in"}}})
    judgement = judge(evidence(held, catalog=stood_in))
    assert {b.metric for b in judgement.besides} == {"insertion"}
    assert judgement.undirected == ("max_sensitivity",)
    assert "a gradient stands in" in judgement.sentences[-1]


def test_what_never_changes_is_no_rival_in_how_little_it_changes() -> None:
    """By MS of the methods themselves Fake-CAM, random and the centre are 0 by construction."""
    held = scores(lambda who, _metric: -5.0 * (who == "rise"), metrics=("max_sensitivity",))
    held.loc[held["method"].isin(["fakecam", "random", "center"]), "value"] = 0.0
    own = of_protocol({"metrics": {"sensitivity": {"explanation": "method"}}})
    judgement = judge(evidence(held, catalog=own))
    assert {b.other for b in judgement.besides} == {"edges", *STANDARDS}
    assert judgement.settled == tuple(
        ("max_sensitivity", other) for other in ("fakecam", "random", "center")
    )
    assert judgement.useless == ()
    assert "a map that never changes" in judgement.sentences[-1]


def test_better_than_every_control_means_each_of_them() -> None:
    """Fake-CAM has no score by insertion: nothing is said of every control by it."""
    held = scores(good)
    gone = (held["method"] == "fakecam") & (held["metric"] == "insertion")
    judgement = judge(evidence(held[~gone]))
    assert beating(judgement) == ["deletion"]


def test_images_of_a_sentence_are_those_that_were_compared() -> None:
    """The method has scores of more images than the controls."""
    held = scores(good, 40)
    few = held[(held["method"] == "rise") | (held["image"] < "20.jpg")]
    said = judge(evidence(few)).sentences[0]
    assert "on 20 images" in said
    ranks = {t.metric: (t.n, t.rank) for t in judge(evidence(few)).turned}
    assert ranks["insertion"] == (20, 1)
