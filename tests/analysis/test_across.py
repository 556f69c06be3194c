"""Rankings of several runs: taus, shared images, pairs that keep their order, the paper's order."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from frames import EXACT, declared, frame
from scipy.stats import kendalltau, rankdata

from xaibench.analysis.across import PAPER, Across, across
from xaibench.analysis.compare import Source
from xaibench.analysis.header import PAPER_IMAGES
from xaibench.analysis.stats import bootstrap_intervals
from xaibench.config.catalog import STOOD_IN, Catalog
from xaibench.errors import XaibenchError
from xaibench.published import printed_rows
from xaibench.report.pages.across import page

IMAGES = [f"{i:02d}.jpg" for i in range(20)]
BASE = np.linspace(0.1, 0.5, 20)


def source(
    values: dict[tuple[str, str], Iterable[float]],
    images: list[str] = IMAGES,
    catalog: Catalog = EXACT,
    **more: str,
) -> Source:
    """A run of (method, metric) -> its values by image."""
    rows = [
        {"method": method, "metric": metric, "image": image, "value": float(value), **more}
        for (method, metric), column in values.items()
        for image, value in zip(images, column, strict=False)
    ]
    return Source("run", frame(rows), catalog=catalog)


def shifted(metric: str = "insertion", **shifts: float) -> dict[tuple[str, str], np.ndarray]:
    """The same images for every method, a method better than another by a constant."""
    return {(method, metric): BASE + shift for method, shift in shifts.items()}


def tau(found: Across, first: str, second: str, metric: int = 0):
    (one,) = [t for t in found.metrics[metric].taus if (t.first, t.second) == (first, second)]
    return one


def test_taus_are_scipys_of_the_means() -> None:
    rng = np.random.default_rng(3)
    methods = [f"m{i}" for i in range(7)]
    for metric in ("insertion", "deletion"):
        drawn = [{(m, metric): rng.uniform(0, 1, 20) for m in methods} for _ in range(3)]
        found = across([source(values) for values in drawn], resamples=50)
        means = [[np.mean(values[m, metric]) for m in methods] for values in drawn]
        for i, j in ((0, 1), (0, 2), (1, 2)):
            expected = kendalltau(means[i], means[j]).statistic
            assert tau(found, "ABC"[i], "ABC"[j]).tau == pytest.approx(expected, rel=1e-12)
        better = -1 if metric == "insertion" else 1
        (one,) = found.metrics
        for name, values in zip("ABC", means, strict=True):
            ranks = dict(zip(methods, rankdata(better * np.array(values)), strict=True))
            assert {m: r.rank for m, r in one.rankings[name].ranks.items()} == ranks


def test_images_that_runs_share_are_told() -> None:
    rng = np.random.default_rng(0)
    values = {(m, "insertion"): rng.uniform(0, 1, 20) for m in "abcdef"}
    others = [f"{i:02d}.png" for i in range(20)]
    assert across([source(values), source(values)], resamples=50).shared == 20
    assert across([source(values), source(values, others)], resamples=50).shared == 0


def test_a_tau_has_the_interval_of_the_pairs_that_are_sure() -> None:
    """Wide where methods are close, a point where a test tells all of them apart."""
    rng = np.random.default_rng(0)
    close = {(m, "insertion"): rng.uniform(0, 1, 20) for m in "abcdef"}
    (same,) = across([source(close), source(close)], resamples=50).metrics[0].taus
    assert (same.tau, same.low, same.high) == (1, -1, 1)
    apart = shifted(a=0.3, b=0.2, c=0.1, d=0.0)
    (one,) = across([source(apart), source(apart)], resamples=50).metrics[0].taus
    assert (one.tau, one.low, one.high) == (1, 1, 1)


def test_pairs_keep_their_order_surely_or_not() -> None:
    wobble = np.where(np.arange(20) % 2, 0.2, -0.2)  # leads by 0.01 in the mean, unsurely
    first = shifted(a=0.3, b=0.1, c=0.0) | {("d", "insertion"): BASE + 0.01 + wobble}
    second = shifted(a=0.4, b=0.0, c=0.1) | {("d", "insertion"): BASE + 0.11 + wobble}
    found = across([source(first), source(second)], resamples=400)
    pairs = {(p.first, p.second): p for p in found.metrics[0].pairs}
    kept = {names: (p.everywhere, p.surely) for names, p in pairs.items()}
    assert kept == {
        ("a", "b"): (1, True),
        ("a", "c"): (1, True),
        ("a", "d"): (1, True),
        ("b", "c"): (0, False),  # the order changes
        ("b", "d"): (0, False),
        ("c", "d"): (-1, False),  # an interval holds 0
    }
    differences = (BASE - (BASE + 0.01 + wobble))[:, None]
    ends = bootstrap_intervals(differences, np.ones((20, 1)), resamples=400)[:, 0]
    one = pairs["c", "d"].by_run["A"]
    assert (one.low, one.high) == pytest.approx(tuple(ends))
    assert one.mean == pytest.approx(-0.01)


def test_equal_methods_have_no_order() -> None:
    found = across([source(shifted(a=0.1, b=0.1)), source(shifted(a=0.1, b=0.1))])
    (pair,) = found.metrics[0].pairs
    assert (pair.everywhere, pair.surely) == (0, False)
    assert found.metrics[0].taus[0].tau is None


def test_the_paper_is_one_more_ranking() -> None:
    methods = ("gradcam", "rise", "lime", "mine")
    runs = [source(shifted("deletion", **dict(zip(methods, s, strict=True)))) for s in
            ((0.0, 0.1, 0.2, 0.3), (0.3, 0.2, 0.1, 0.0))]  # fmt: skip
    found = across(runs)
    printed = {
        r["method"]: float(r["value"])
        for r in printed_rows()
        if (r["table"], r["metric"]) == ("1", "deletion_bar") and r["method"] in methods
    }
    (metric,) = found.metrics
    ranked = metric.rankings[PAPER]
    names = list(printed)
    expected = dict(zip(names, rankdata([-printed[m] for m in names]), strict=True))
    assert {m: one.rank for m, one in ranked.ranks.items()} == expected
    assert {one.low for one in ranked.ranks.values()} == {None}
    assert ranked.n == PAPER_IMAGES
    means = [-0.1 * methods.index(m) for m in names]  # a smaller deletion is better
    assert tau(found, "A", PAPER).tau == pytest.approx(
        kendalltau(means, [printed[m] for m in names]).statistic
    )
    assert tau(found, "A", PAPER).tau == -tau(found, "B", PAPER).tau
    for name in "AB":  # every pair of these runs is sure, and the paper is taken as printed
        one = tau(found, name, PAPER)
        assert (one.low, one.high) == pytest.approx((one.tau, one.tau))
    signs = {(p.first, p.second): p.paper for p in metric.pairs}
    assert signs["gradcam", "rise"] == np.sign(printed["gradcam"] - printed["rise"])
    assert {signs[m, "mine"] for m in names} == {None}
    bare = across(runs, paper=False).metrics[0]
    assert PAPER not in bare.rankings
    assert [(t.first, t.second) for t in bare.taus] == [("A", "B")]
    assert {p.paper for p in bare.pairs} == {None}


def test_methods_that_a_run_lacks_are_named() -> None:
    found = across([source(shifted(a=0.1, b=0.0, c=0.2)), source(shifted(a=0.1, b=0.0, d=0.2))])
    (metric,) = found.metrics
    assert metric.methods == ("a", "b")
    assert metric.lost == {"c": ("B",), "d": ("A",)}


def test_metrics_that_rank_nothing_are_named() -> None:
    stand_in = declared(sensitivity={"explanation": "gradient_stand_in"})
    values = shifted(a=0.1, b=0.0) | shifted("max_sensitivity", a=0.1, b=0.0)
    values |= shifted("tried", a=0.1, b=0.0)
    one, two, three = source(values, catalog=stand_in), source(values), source(values)
    found = across([one, two, three])
    by = {metric.column.metric: metric for metric in found.metrics}
    own = EXACT.metric("max_sensitivity").direction
    assert own == "lower"
    assert by["max_sensitivity"].absent == {"A": STOOD_IN}
    assert list(by["max_sensitivity"].rankings) == ["B", "C"]
    assert found.unranked == (("tried", "A, B, C: nobody says which direction is better"),)
    fewer = across([one, two])
    assert [m.column.metric for m in fewer.metrics] == ["insertion"]
    assert dict(fewer.unranked)["MS"].endswith("B: no other run to compare with")


def test_the_target_is_the_first_that_all_have() -> None:
    values = shifted(a=0.1, b=0.0)
    one = source(values)
    both = pd.concat([one.scores, source(shifted(a=0.0, b=0.1), target="predicted").scores])
    other = source(values, target="predicted")
    found = across([Source("x", both, catalog=EXACT), other])
    assert found.target == "predicted"
    assert tau(found, "A", "B").tau == -1
    with pytest.raises(XaibenchError, match="share no target"):
        across([one, other])
    with pytest.raises(XaibenchError, match="no metric ranks two methods"):
        across([one, source(shifted(c=0.1, d=0.0))])


def test_few_images_are_marked() -> None:
    values = shifted(a=0.1, b=0.0)
    found = across([source(values), source(values, IMAGES[:9])])
    (metric,) = found.metrics
    assert [one.unsure for one in metric.rankings.values()] == [False, True]
    assert metric.unsure(metric.taus[0])
    assert metric.pairs[0].unsure


def test_the_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    values = {(m, k): rng.uniform(0, 1, 20) for m in "abc" for k in ("insertion", "deletion")}
    runs = [source(values), source(values, [f"x{i}" for i in range(20)])]
    mixed = [Source(s.name, s.scores.sample(frac=1, random_state=1), catalog=EXACT) for s in runs]
    assert across(runs, resamples=50).metrics == across(mixed, resamples=50).metrics


def test_a_method_of_one_run_alone_takes_no_images_from_the_others() -> None:
    """It was scored on other images, so that no image has all of the run's methods."""
    both = shifted(a=0.1, b=0.0)
    other = source({("c", "insertion"): BASE}, [f"x{i}" for i in range(20)])
    more = Source("x", pd.concat([source(both).scores, other.scores]), catalog=EXACT)
    (metric,) = across([more, source(both)], resamples=50).metrics
    assert metric.methods == ("a", "b")
    assert {x: ranked.n for x, ranked in metric.rankings.items() if x != PAPER} == {
        "A": 20,
        "B": 20,
    }
    assert metric.lost == {"c": ("B",)}


def test_the_papers_sensitivity_is_known_for_what_it_is_without_a_published_run() -> None:
    values = shifted("max_sensitivity", gradcam=0.1, rise=0.0) | shifted(gradcam=0.1, rise=0.0)
    found = across([source(values), source(values)], resamples=50)
    assert {metric.column.header for metric in found.metrics} == {"MS", "I%"}
    assert found.stood_in == ["MS"]


def test_of_two_tables_that_print_a_cell_the_first_one_stands() -> None:
    """IG's insertion is 53.5 in Table 1, as GuidedBP's, and 53.4 in Table 2."""
    values = shifted(ig=0.1, guidedbp=0.0, gradcam=0.2)
    (metric,) = across([source(values), source(values)], resamples=20).metrics
    assert {m: one.rank for m, one in metric.rankings[PAPER].ranks.items()} == {
        "gradcam": 1,
        "guidedbp": 2.5,
        "ig": 2.5,
    }
    assert {p.paper for p in metric.pairs if {p.first, p.second} == {"ig", "guidedbp"}} == {0}


def test_a_pair_of_one_image_is_not_to_be_trusted() -> None:
    values = shifted(a=0.1, b=0.0)
    found = across([source(values, IMAGES[:1]), source(values, IMAGES[:1])], resamples=20)
    assert found.metrics[0].pairs[0].unsure
    assert not found.metrics[0].pairs[0].surely
    (row,) = page(found).sections[0].blocks[0].cells
    assert [cell.interval for cell in row] == ["[-1.00, 1.00]!"]
