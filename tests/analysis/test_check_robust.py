"""What a switch does to a verdict: lost, turned round, won, or nothing at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
from checks import CONTROLS, METRICS, evidence, good, level, scores, switched

from xaibench.analysis.check import judge
from xaibench.analysis.check.evidence import BETTER, UNDECIDED, WORSE, Turned


def lines(held: pd.DataFrame, *parts: pd.DataFrame) -> dict[tuple[str, str], Turned]:
    turned = judge(evidence(held, switched=pd.concat(parts))).turned
    return {(line.switch, line.metric): line for line in turned}


def test_a_switch_that_turns_a_metric_round_flips_its_verdicts() -> None:
    held = scores(good)
    down = switched(held, "rise.p", -2.0, method="rise", metric="insertion")
    level_ = switched(held, "rise.cells", -0.9, method="rise", metric="insertion")
    same = switched(held, "rise.n_masks", 0.0, method="rise")
    found = lines(held, down, level_, same)
    assert found["", "insertion"].rank == 1
    assert found["rise.p", "insertion"].rank == found["rise.p", "insertion"].of == 7
    assert found["rise.p", "insertion"].flips == tuple((c, BETTER, WORSE) for c in CONTROLS)
    assert found["rise.cells", "insertion"].flips == tuple((c, BETTER, UNDECIDED) for c in CONTROLS)
    assert ("rise.p", "deletion") not in found
    untouched = [key for key in found if key[0] == "rise.n_masks"]
    assert {metric for _, metric in untouched} == {m for s, m in found if not s}
    assert not any(found[key].flips for key in untouched)
    first, again = found["", "insertion"], found["rise.n_masks", "insertion"]
    assert (first.mean, first.rank) == (again.mean, again.rank)


def test_a_switch_of_another_method_moves_the_rank_and_its_own_verdict_alone() -> None:
    held = scores(good)
    found = lines(held, switched(held, "edges.sigma", 5.0, method="edges", metric="insertion"))
    assert found["edges.sigma", "insertion"].rank == 2
    assert found["edges.sigma", "insertion"].flips == (("edges", BETTER, WORSE),)
    assert found["edges.sigma", "insertion"].mean == found["", "insertion"].mean


def test_an_undecided_verdict_is_won_by_what_is_sure_among_so_many_switches() -> None:
    """Its p, of one comparison, is 0.0026: a flip alone, and none as one of five switches."""
    held = scores(level)
    rows, base = held[held["metric"] == "insertion"], {}
    for who in ("rise", "random"):
        base[who] = rows[rows["method"] == who].sort_values("image")["value"].to_numpy()
    change = np.array([1.0] * 17 + [-1.0] * 3)
    part = switched(held, "one", 0.0, method="rise", metric="insertion")
    part = part.sort_values("image").assign(value=base["random"] + change)
    only = evidence(rows, controls=("random",), standards=())

    def flips(parts: list[pd.DataFrame]) -> set[tuple[tuple[str, str, str], ...]]:
        turned = judge(evidence_of(only, parts)).turned
        return {line.flips for line in turned if line.switch == "one"}

    assert flips([part]) == {(("random", UNDECIDED, BETTER),)}
    others = [switched(rows, name, 0.0, method="rise") for name in ("two", "three", "four", "five")]
    assert flips([part, *others]) == {()}


def evidence_of(held, parts):
    return type(held)(**{**vars(held), "switched": pd.concat(parts)})


def test_without_switches_the_protocol_alone_is_ranked() -> None:
    turned = judge(evidence(scores(good))).turned
    assert {line.switch for line in turned} == {""}
    assert len(turned) == 4


def test_what_a_switch_lost_is_not_set_beside_what_it_kept() -> None:
    """The method failed under it: its scores of the protocol itself are no answer."""
    held = scores(good)
    moved = [switched(held, "preprocessing.resize", 9.0, method=who) for who in CONTROLS]
    lost = frozenset(("preprocessing.resize", "rise", metric) for metric in METRICS)
    turned = judge(evidence(held, switched=pd.concat(moved), lost=lost)).turned
    assert {line.switch for line in turned} == {""}
    turned = judge(evidence(held, switched=pd.concat(moved))).turned
    assert any(line.flips for line in turned)


def test_fewer_images_under_a_switch_flip_nothing_by_themselves() -> None:
    """100 images say better; the switch was tried on 20 of them, and changes nothing there."""
    held = scores(lambda who, metric: 0.8 * (who == "rise" and metric == "insertion"), 100)
    some = held[held["image"] < "10.jpg"]
    found = lines(held, switched(some, "rise.p", 0.0, metric="insertion"))
    assert found["", "insertion"].n == 100
    assert found["rise.p", "insertion"].n == 10
    assert found["rise.p", "insertion"].flips == ()
    assert {b.verdict for b in judge(evidence(held)).besides if b.metric == "insertion"} == {BETTER}


def test_none_of_the_switches_is_said_only_where_one_could() -> None:
    few = scores(good, 10)
    part = switched(few, "rise.p", 0.0, method="rise")
    said = " ".join(judge(evidence(few, switched=part)).sentences)
    assert "on too few images for any to flip a verdict" in said
    assert "None of" not in said
