"""Ranks by metric: the order of the means, intervals from images drawn together, Kendall's tau."""

from __future__ import annotations

import importlib
import sys
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd
from frames import declared, frame
from scipy.stats import binomtest

from xaibench.analysis.ranks import Ranks, rank
from xaibench.config.catalog import STOOD_IN


def scores(values: dict[tuple[str, str], list[float]], **more: str) -> pd.DataFrame:
    """(method, metric) -> its values by image."""
    return frame(
        {"method": method, "metric": metric, "image": f"{i:02d}.jpg", "value": value, **more}
        for (method, metric), column in values.items()
        for i, value in enumerate(column)
    )


def ranks_of(found: Ranks, metric: str) -> dict[str, float]:
    held = {one.column.metric: one for one in found.metrics}
    return {method: one.rank for method, one in held[metric].ranks.items()}


def rise(*shifts: float, images: int = 20) -> list[list[float]]:
    """A column for each shift: the same images, harder and easier ones."""
    base = np.linspace(0.1, 0.5, images)
    return [list(base + shift) for shift in shifts]


def test_ranks_are_of_means_in_the_metrics_own_direction() -> None:
    low, middle, high = rise(0.0, 0.1, 0.2)
    columns = {"gradcam": high, "rise": middle, "lime": low}
    values = {(m, k): column for m, column in columns.items() for k in ("insertion", "deletion")}
    found = rank(scores(values), declared())
    assert ranks_of(found, "insertion") == {"gradcam": 1, "rise": 2, "lime": 3}
    assert ranks_of(found, "deletion") == {"gradcam": 3, "rise": 2, "lime": 1}
    assert [(one.tau, one.low, one.high) for one in found.concords] == [(-1, -1, -1)]


def test_resamples_are_paired_so_that_a_constant_lead_is_sure() -> None:
    """Means differ by far less than images do: unpaired resamples would mix the ranks."""
    first, second = rise(0.01, 0.0)
    found = rank(scores({("a", "insertion"): first, ("b", "insertion"): second}), declared())
    (metric,) = found.metrics
    assert metric.n == 20
    assert astuple(metric.ranks["a"]) == (1, 1, 1, 1, 1)
    assert astuple(metric.ranks["b"]) == (2, 2, 2, 2, 2)


def test_what_two_images_in_three_decide_is_unsure() -> None:
    first = [0.5] * 12
    second = [0.6] * 7 + [0.4] * 5
    found = rank(scores({("a", "insertion"): first, ("b", "insertion"): second}), declared())
    one = found.metrics[0].ranks["b"]
    assert (one.rank, one.low, one.high) == (1.0, 1.0, 2.0)


def test_equal_means_share_a_rank() -> None:
    values = {(m, "insertion"): [0.2, 0.3, 0.4] for m in ("a", "b")}
    found = rank(scores(values | {("c", "insertion"): [0.1] * 3}), declared())
    assert ranks_of(found, "insertion") == {"a": 1.5, "b": 1.5, "c": 3}


def test_a_method_with_few_of_the_images_has_no_rank_and_shrinks_no_other() -> None:
    first, second = rise(0.1, 0.0)
    values = {("a", "insertion"): first, ("b", "insertion"): second, ("c", "insertion"): [0.9] * 5}
    (metric,) = rank(scores(values), declared()).metrics
    assert (metric.n, set(metric.ranks), metric.lost) == (20, {"a", "b"}, ("c",))


def test_metrics_without_a_direction_rank_nothing() -> None:
    values = {(m, "tried(x=1)"): [0.1, 0.2] for m in ("a", "b")}
    found = rank(scores(values), declared())
    why = "nobody says which direction is better"
    assert (found.metrics, found.unranked) == ((), (("tried", why),))


def test_what_does_not_measure_the_methods_ranks_nothing() -> None:
    """`published` explains with a gradient in the place of each method."""
    values = {(m, "max_sensitivity"): [0.1, 0.2] for m in ("a", "b")}
    found = rank(scores(values), declared(sensitivity={"explanation": "gradient_stand_in"}))
    assert (found.metrics, found.unranked) == ((), (("Max-sensitivity", STOOD_IN),))


def test_one_image_gives_ranks_without_intervals() -> None:
    found = rank(scores({("a", "insertion"): [0.1], ("b", "insertion"): [0.2]}), declared())
    assert astuple(found.metrics[0].ranks["b"]) == (1, None, None, None, None)


def test_other_targets_and_transforms_stand_aside() -> None:
    good, bad = rise(0.1, 0.0)
    own = scores({("a", "insertion"): good, ("b", "insertion"): bad})
    other = scores({("a", "insertion"): bad, ("b", "insertion"): good}, target="predicted")
    turned = scores({("a", "insertion"): bad, ("b", "insertion"): good}, transform="crop")
    found = rank(pd.concat([other, own, turned], ignore_index=True), declared())
    assert found.target == "ground_truth"
    assert ranks_of(found, "insertion") == {"a": 1, "b": 2}


def test_the_same_seed_gives_the_same_ranks_in_any_order_of_rows(full_study: pd.DataFrame) -> None:
    once = rank(full_study, declared(), resamples=100)
    again = rank(full_study.sample(frac=1, random_state=3), declared(), resamples=100)
    assert once == again
    assert len(once.metrics) >= 10
    assert len(once.concords) == len(once.metrics) * (len(once.metrics) - 1) // 2


def test_what_two_metrics_surely_rank_apart_is_named() -> None:
    low, high = rise(0.0, 0.2)
    values = {
        ("a", "insertion"): high,
        ("b", "insertion"): low,
        ("a", "deletion"): high,
        ("b", "deletion"): low,
    }
    spread = rank(scores(values), declared()).spread()
    found = [(s.row.method, s.best.column.metric, s.worst.column.metric, s.gap) for s in spread]
    assert found == [
        ("a", "insertion", "deletion", 1.0),
        ("b", "deletion", "insertion", 1.0),
    ]


def test_ranks_among_other_methods_and_of_equals_are_not_set_against_each_other() -> None:
    """Last of two is not apart from second of three; where all are equal no rank says anything."""
    low, middle, high = rise(0.0, 0.1, 0.2)
    few = {("a", "deletion"): high, ("b", "deletion"): middle}
    three = {(m, "insertion"): c for m, c in zip("abc", (high, middle, low), strict=True)}
    equal = {(m, "completeness"): [0.0] * 20 for m in "abc"}
    assert rank(scores(few | three | equal), declared()).spread() == []
    more = rank(scores(few | {("c", "deletion"): low} | three | equal), declared()).spread()
    assert {(s.row.method, s.best.column.metric, s.worst.column.metric) for s in more} == {
        ("a", "insertion", "deletion"),
        ("c", "deletion", "insertion"),
    }


def test_what_is_said_of_single_ranks_allows_for_their_number() -> None:
    """Sure to 95% by each metric alone, and not of all ranks at once."""
    apart = [0.5] * 20, [0.61] * 14 + [0.4] * 6
    values = {
        (m, k): column
        for k, columns in (("insertion", apart), ("deletion", apart))
        for m, column in zip("ab", columns, strict=True)
    }
    found = rank(scores(values), declared())
    first = found.metrics[0].ranks["b"]
    assert (first.low, first.high) == (1, 1)
    assert (first.least, first.most) == (1, 2)
    assert found.spread() == []


def test_docs_ranks_is_what_the_script_gives() -> None:
    """Its smallest row simulated again with fewer runs, and no rate of the rule over 5%."""
    root = Path(__file__).parents[2]
    lines = (root / "docs" / "ranks.md").read_text(encoding="utf-8").splitlines()
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines if line[:2] == "| "]
    found = {(c[0], c[1]): [float(p.rstrip("%")) for p in c[2:]] for c in cells if c[0].isdigit()}
    assert len(found) == 9
    assert max(said for said, _ in found.values()) <= 5
    sys.path.insert(0, str(root / "scripts"))
    rates = importlib.import_module("simulate_ranks").rates
    said, plain = rates(20, 5, 8)
    assert binomtest(round(8 * said), 8, found["5", "20"][0] / 100 or 0.01).pvalue > 1e-5
    assert binomtest(round(8 * plain), 8, found["5", "20"][1] / 100).pvalue > 1e-5
