"""How often the network is right on a run's images, and whether their labels can be its classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

LEAST = 3
"""Images with a label below which nothing is suspected."""
CHANCE = 0.05
"""Probability of so many right answers by chance above which chance is not excluded."""
FIRST = 5


@dataclass(frozen=True)
class Accuracy:
    """Of the images that have a label: how many the network names right.

    top5: how many have their label among its first five, None where a file does not say. classes:
    how many classes it has, 0 where a file does not say. wrong: the first image, by name, that is
    not named right, with its label and the predicted class. doubt: what to ask about the labels.
    """

    images: int
    top1: int
    top5: int | None
    classes: int = 0
    wrong: tuple[str, int, int] | None = None
    doubt: str = ""

    @property
    def doubted(self) -> bool:
        """Whether the labels may not be the network's classes at all.

        At least `LEAST` images, and none is right; or fewer than half are, and so many would be
        with a probability above `CHANCE` where answers were drawn from all classes alike (a
        one-sided binomial test).
        """
        if self.images < LEAST:
            return False
        few = 2 * self.top1 < self.images and self.classes > 0
        return self.top1 == 0 or (few and self.by_chance > CHANCE)

    @property
    def by_chance(self) -> float:
        """Probability that a draw from all classes alike is right at least as often."""
        n, p = self.images, 1 / max(self.classes, 1)
        if self.top1 == 0 or p == 1:
            return 1.0
        yes, no = math.log(p), math.log1p(-p)
        below = (math.exp(_log_choose(n, k) + k * yes + (n - k) * no) for k in range(self.top1))
        return max(0.0, 1.0 - math.fsum(below))

    @property
    def line(self) -> str:
        """Both rates in words."""
        first = f"top-1 {100 * self.top1 / self.images:.1f}% ({self.top1:,} of {self.images:,})"
        if self.top5 is None:
            return f"{first}, top-5 is not known (predicted by an earlier version)"
        if 0 < self.classes <= 5:
            return first
        return f"{first}, top-5 {100 * self.top5 / self.images:.1f}% ({self.top5:,})"

    def question(self, name: Callable[[int], str]) -> str:
        """What to ask where the labels are doubted, with an example; else nothing."""
        if not self.doubted:
            return ""
        asked = f"{self.top1:,} of {self.images:,} right: are the labels those of this network?"
        if self.wrong is not None:
            image, label, found = self.wrong
            asked += f" {image} is labelled {name(label)} and predicted {name(found)}."
        return f"{asked} --classes FILE says which class a folder is."


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def accuracy(predictions: Mapping[str, Any]) -> Accuracy | None:
    """Of predictions by column, one an image: image, label, argmax, rank and classes.

    None where no image has a label.
    """
    held = {k: np.asarray(predictions[k]) for k in ("image", "label", "argmax", "rank", "classes")}
    there = held["label"] >= 0
    image, label, found, rank, classes = (column[there] for column in held.values())
    if not len(label):
        return None
    right, known = label == found, bool((classes > 0).all())
    wrong = None
    if not right.all():
        places = np.flatnonzero(~right)
        place = min(places, key=lambda place: str(image[place]))
        wrong = str(image[place]), int(label[place]), int(found[place])
    top5 = int(((rank >= 0) & (rank < FIRST)).sum()) if known else None
    return Accuracy(len(label), int(right.sum()), top5, int(classes.max()) if known else 0, wrong)
