"""Printed numbers against intervals: what is inside, what chance explains, what is to blame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import pytest
from frames import EXACT, frame
from scipy import stats

from xaibench.analysis.compare import Source
from xaibench.analysis.measure import Key
from xaibench.analysis.types import Cell
from xaibench.analysis.verify import Printed, Suspect, judged, tally, verify
from xaibench.errors import XaibenchError
from xaibench.published import paper_tables
from xaibench.published.tables import FORMS

NATURAL = {form.key: (metric, form) for metric, form in FORMS.items()}


def around_the_paper(
    table: int, images: int = 40, off: Mapping[tuple[str, str], float] | None = None
) -> pd.DataFrame:
    """Scores whose means are the paper's, but for some (method, metric) by so much more."""
    noise = np.random.default_rng(0).normal(0.0, 0.1, images)
    noise -= noise.mean()
    rows = []
    for one in paper_tables().query("table == @table").itertuples():
        metric, form = NATURAL[one.metric]
        mean = (one.value - form.offset) / form.scale + (off or {}).get((one.method, metric), 0.0)
        rows += [
            {
                "image": f"{i:03d}.jpg",
                "method": one.method,
                "target": one.target,
                "metric": metric,
                "value": float(mean + noise[i]),
            }
            for i in range(images)
        ]
    return frame(rows)


def source(scores: pd.DataFrame, **more: object) -> Source:
    return Source("run", scores, catalog=EXACT, **more)  # type: ignore[arg-type]


def cell(paper: float, low: float | None = 58.0, high: float | None = 64.0, **more: object) -> Cell:
    return Cell(60.0, low, high, 40, 0, {}, paper=paper, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("paper", "verdict", "distance"),
    [
        (60.0, "inside", 0.0),
        (60.04, "inside", 0.0),  # prints as 60.0 does
        (63.05, "inside", 0.75),
        (64.05, "inside", 1.0),  # may have been rounded from 64.0
        (64.2, "outside", 4.15 / 4),
        (57.95, "inside", 1.0),
        (50.05, "outside", 9.9 / 2),  # by the half width of that side
    ],
)
def test_where_a_number_lies(paper: float, verdict: str, distance: float) -> None:
    found = judged(cell(paper), digits=1)
    assert found == (verdict, pytest.approx(distance, abs=1e-6))


def test_intervals_without_width_and_without_ends() -> None:
    assert judged(cell(60.0, 60.0, 60.0), 1) == ("inside", 0.0)
    assert judged(cell(61.0, 60.0, 60.0), 1) == ("outside", None)
    assert judged(cell(99.0, None, None), 1) == ("unsure", None)
    assert judged(cell(99.0, unsure=True), 1) == ("unsure", None)


def test_chance_is_binomial() -> None:
    found = tally(["inside"] * 100 + ["outside"] * 10 + ["unsure"] * 3)
    assert (found.inside, found.outside, found.unsure, found.decided) == (100, 10, 3, 110)
    assert found.expected == pytest.approx(5.5)
    assert found.most == stats.binom.ppf(0.95, 110, 0.05) == 9
    assert found.p == pytest.approx(stats.binom.sf(9, 110, 0.05))
    assert not found.by_chance
    assert tally(["inside"] * 101 + ["outside"] * 9).by_chance
    for verdicts in ([], ["unsure"], ["inside"]):
        none = tally(verdicts)
        assert (none.outside, none.most, none.p, none.by_chance) == (0, 0, 1.0, True)


def by_cell(printed: Iterable[Printed]) -> dict[tuple[str, str], Printed]:
    return {(one.key.method, one.key.metric): one for one in printed}


def test_a_run_around_the_papers_numbers_agrees_and_what_is_moved_does_not() -> None:
    found = verify(source(around_the_paper(1)))
    assert len(found.printed) == 60
    assert {one.verdict for one in found.printed} == {"inside"}
    assert found.outliers == []
    off = {("rise", "insertion"): 0.5, ("lime", "deletion"): -0.1}
    found = verify(source(around_the_paper(1, off=off)))
    assert {where for where, one in by_cell(found.printed).items() if one.distance} == set(off)
    assert [(o.key.method, o.key.metric) for o in found.outliers] == list(off), "farthest first"
    assert found.outliers[0].distance > 10 > found.outliers[1].distance > 2
    assert found.tally(1) == found.tally()
    assert (found.tally().inside, found.tally().outside) == (58, 2)


def test_few_images_are_unsure() -> None:
    found = verify(source(around_the_paper(3, images=5, off={("rise", "sparseness"): 0.4})))
    assert {one.verdict for one in found.printed} == {"unsure"}
    assert found.tally().decided == 0


def test_what_two_tables_print_counts_once() -> None:
    found = verify(source(around_the_paper(2)))
    assert len(found.printed) == len({one.key for one in found.printed}) == 150
    assert sum(one.table == 1 for one in found.printed) == 50


def test_a_metric_that_measures_something_else_is_not_compared() -> None:
    scores = around_the_paper(1)
    scores = scores[scores["metric"].isin(["insertion", "deletion"])]
    other = scores["metric"].replace("insertion", "insertion(steps=224)")
    found = verify(source(scores.assign(metric=other)))
    assert {one.key.metric for one in found.printed} == {"deletion"}
    rows = [{"image": f"{i}", "metric": "completeness", "value": 0.0} for i in range(20)]
    with pytest.raises(XaibenchError, match=r"no cell that the paper prints .*--config verify"):
        verify(source(frame(rows)))
    tried = frame([{"image": f"{i}", "method": "rise(p=0.5)"} for i in range(20)])
    with pytest.raises(XaibenchError, match="no cell that the paper prints"):
        verify(source(tried))


def test_suspects_are_those_of_the_cell_and_where_the_misses_lie_first() -> None:
    masks, softmax = Suspect("rise.n_masks", "32", "8000"), Suspect("probability", "a", "b")

    def able(keys: Iterable[Key]) -> dict[Key, tuple[Suspect, ...]]:
        return {k: (softmax, *[masks] * (k.method == "rise")) for k in keys}

    off = {("rise", "insertion"): 0.5, ("rise", "deletion"): 0.5, ("lime", "insertion"): 0.5}
    found = verify(source(around_the_paper(1, off=off), suspects=able))
    by = by_cell(found.printed)
    assert by["rise", "insertion"].suspects == (masks, softmax)
    assert by["lime", "insertion"].suspects == (softmax,)
    assert by["rise", "average_gain"].suspects == (), "it is inside"
    first, second = found.moved or ()
    assert (first.suspect, first.can, first.outside) == (masks, 6, 2)
    assert (first.cannot, first.outside_of_others) == (54, 1)
    assert (second.suspect, second.can, second.outside, second.cannot) == (softmax, 60, 3, 0)
    assert verify(source(around_the_paper(1, off=off))).moved is None


def test_the_suspect_whose_numbers_are_outside_goes_before_one_that_moves_fewer() -> None:
    """A switch of one metric whose ten numbers are all outside, one of a method with one of six."""
    blur, masks = Suspect("causal.blur", "a", "b"), Suspect("rise.n_masks", "32", "8000")

    def able(keys: Iterable[Key]) -> dict[Key, tuple[Suspect, ...]]:
        return {
            k: (*[masks] * (k.method == "rise"), *[blur] * (k.metric == "insertion")) for k in keys
        }

    methods = {one.key.method for one in verify(source(around_the_paper(1))).printed}
    off = {(method, "insertion"): 0.5 for method in methods}
    found = verify(source(around_the_paper(1, off=off), suspects=able))
    assert by_cell(found.printed)["rise", "insertion"].suspects == (blur, masks)
    assert by_cell(found.printed)["lime", "insertion"].suspects == (blur,)


def test_what_never_differs_and_prints_alike_is_known_to_print_alike() -> None:
    """Fake-CAM's sparseness is 0 on every image: no interval, and yet the paper's number."""
    rows = [
        {"image": f"{i}", "method": "fakecam", "metric": metric, "value": value}
        for metric, value in (("sparseness", 0.0), ("complexity", 9.0))
        for i in range(20)
    ]
    found = by_cell(verify(source(frame(rows))).printed)
    assert {metric: one.prints_alike for (_, metric), one in found.items()} == {
        "sparseness": True,
        "complexity": False,
    }
    assert {one.verdict for one in found.values()} == {"unsure"}
