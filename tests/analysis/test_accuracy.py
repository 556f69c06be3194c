"""The network's accuracy, and when labels are doubted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from xaibench.analysis.accuracy import CHANCE, Accuracy, accuracy


def predictions(label: list[int], argmax: list[int], rank: list[int], classes: int = 1000) -> dict:
    images = [f"{place}.jpg" for place in range(len(label), 0, -1)]
    return {
        "image": np.array(images, dtype=object),
        "label": np.array(label),
        "argmax": np.array(argmax),
        "rank": np.array(rank),
        "classes": np.full(len(label), classes),
    }


def test_counts_of_the_images_that_have_a_label() -> None:
    found = accuracy(predictions([3, 4, 5, -1], [3, 9, 9, 9], [0, 4, 5, -1]))
    assert found == Accuracy(3, 1, 2, 1000, ("2.jpg", 5, 9))
    assert found.line == "top-1 33.3% (1 of 3), top-5 66.7% (2)"
    assert accuracy(predictions([-1, -1], [1, 2], [-1, -1])) is None


def test_files_of_earlier_versions_do_not_say_top_5() -> None:
    found = accuracy(predictions([3, 4], [3, 4], [-1, -1], classes=0))
    assert found == Accuracy(2, 2, None, 0, None)
    assert (
        found.line == "top-1 100.0% (2 of 2), top-5 is not known (predicted by an earlier version)"
    )


@pytest.mark.parametrize(
    ("images", "right", "classes", "doubted"),
    [
        (3, 0, 1000, True),
        (2, 0, 1000, False),  # too few to tell
        (3, 1, 1000, False),  # by chance, 0.3% of the time
        (100, 1, 1000, True),  # by chance, 10% of the time
        (100, 3, 1000, False),
        (20, 2, 10, True),
        (20, 9, 10, False),
        (3, 3, 2, False),  # chance too, and nothing is wrong
        (50_000, 40, 1000, True),
        (50_000, 25_001, 1000, False),
        (3, 0, 0, True),  # of an earlier version
        (3, 1, 0, False),
    ],
)
def test_when_labels_are_doubted(images: int, right: int, classes: int, doubted: bool) -> None:
    assert Accuracy(images, right, None, classes).doubted is doubted


@pytest.mark.parametrize(
    ("n", "right", "classes"), [(20, 2, 10), (100, 1, 1000), (50_000, 60, 1000)]
)
def test_the_probability_by_chance_is_the_binomials(n: int, right: int, classes: int) -> None:
    found = Accuracy(n, right, None, classes).by_chance
    assert found == pytest.approx(stats.binom.sf(right - 1, n, 1 / classes), rel=1e-9, abs=1e-12)


def test_labels_that_are_not_the_networks_are_seldom_believed() -> None:
    """Answers by chance: in at most CHANCE of the cases no question is asked."""
    draws = np.random.default_rng(0)
    for classes in (10, 1000):
        right = draws.binomial(100, 1 / classes, 2000)
        counts, times = np.unique(right, return_counts=True)
        silent = [not Accuracy(100, int(k), None, classes).doubted for k in counts]
        assert times[silent].sum() / 2000 <= CHANCE + 0.015  # three standard errors


def test_the_question_has_an_example() -> None:
    found = Accuracy(3, 0, 0, 1000, ("a.jpg", 0, 281))
    asked = found.question(lambda index: f"<{index}>")
    assert asked.startswith("0 of 3 right: are the labels those of this network? a.jpg is labelled")
    assert "labelled <0> and predicted <281>" in asked
    assert Accuracy(3, 3, 3, 1000).question(str) == ""
