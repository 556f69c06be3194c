"""What a check of one method has measured, and what is judged from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xaibench.analysis.columns import Column
from xaibench.config.catalog import Catalog

if TYPE_CHECKING:
    import pandas as pd

BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"
"""What the images say of one method beside another, by one metric."""
PASSED, FAILED = "passed", "failed"
"""What the images say of a sanity test, beside `UNDECIDED`."""
WEIGHTS, CLASS, NOISE = "weights", "class", "noise"
"""The sanity tests: what was changed before the map was made again."""


@dataclass(frozen=True)
class Evidence:
    """What was measured, in natural units.

    Attributes:
        method: the spec that is judged.
        scores: rows of a run, of the method, the controls and the standards, one target and no
            transform.
        catalog: what methods and metrics declare.
        sanity: columns test (`WEIGHTS`: drawn anew, `CLASS`: another, `NOISE`: a little in the
            image), method, image and value: how alike the two maps are, 1 for the same map.
        switched: columns switch, method, metric, image and value: scores with that one option of
            the protocol, or order of equal pixels, turned.
        lost: (switch, method, metric) of scores that should be among these and are not.
        seconds: of explaining one image, by method.
        tied: share of the pixels that have another's value, by method, mean over images.
        constant, nonfinite: how many maps are constant, and hold a value that is not finite, by
            method.
        controls: methods that know nothing of the network, where they were run.
        standards: methods of everyday use, where they were run.
        untested: (what, why) of everything that was not tested.
    """

    method: str
    scores: pd.DataFrame
    catalog: Catalog
    sanity: pd.DataFrame
    switched: pd.DataFrame
    lost: frozenset[tuple[str, str, str]] = frozenset()
    seconds: Mapping[str, float] = field(default_factory=dict)
    tied: Mapping[str, float] = field(default_factory=dict)
    constant: Mapping[str, int] = field(default_factory=dict)
    nonfinite: Mapping[str, int] = field(default_factory=dict)
    controls: tuple[str, ...] = ()
    standards: tuple[str, ...] = ()
    untested: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Beside:
    """The method beside another by one metric, over the images that both have a value for.

    Attributes:
        other: the other method.
        control: whether it is a control; else a standard.
        metric: key or canonical spec.
        column: the units of the numbers below, and which direction is better.
        n: images; apart: those on which the two differ.
        mean, other_mean: means over these images.
        difference: mean of method minus other.
        low, high: its 95% interval; None with fewer than two images.
        unsure: whether such an interval holds the difference in under 90% of the cases.
        share: of images on which the method is better, ties counted half.
        p: two-sided, sign-flip permutation test of the per-image differences.
        adjusted: p after Holm's correction over all comparisons of the check.
        verdict: `BETTER`, `WORSE` or `UNDECIDED`.
    """

    other: str
    control: bool
    metric: str
    column: Column
    n: int
    apart: int
    mean: float
    other_mean: float
    difference: float
    low: float | None
    high: float | None
    unsure: bool
    share: float
    p: float
    adjusted: float
    verdict: str


@dataclass(frozen=True)
class Sane:
    """A sanity test of one method's maps over n images.

    Attributes:
        test: `WEIGHTS`, `CLASS` or `NOISE`.
        method: whose maps.
        mean, low, high: how alike they are before and after, with its 95% interval; None with
            fewer than two images.
        unsure: whether such an interval holds the mean in under 90% of the cases.
        passed: on how many images the map does what the test asks for.
        share_low, share_high: exact 95% interval of the share of such images.
        verdict: `PASSED`, `FAILED` or `UNDECIDED`.
    """

    test: str
    method: str
    n: int
    mean: float
    low: float | None
    high: float | None
    unsure: bool
    passed: int
    share_low: float
    share_high: float
    verdict: str


@dataclass(frozen=True)
class Turned:
    """One metric under one switch (`switch` "" for the protocol as it is).

    Attributes:
        mean: the method's, in the units of `column`, over the images that all methods have.
        n: these.
        rank, of: its place among the methods that have a mean, 1 for the best.
        flips: (control, verdict before, verdict after) of the verdicts that the switch flips.
    """

    switch: str
    metric: str
    column: Column
    mean: float
    n: int
    rank: int
    of: int
    flips: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Spent:
    """What a method takes and what its maps are: None where nothing is known."""

    method: str
    seconds: float | None
    tied: float | None
    constant: int | None
    nonfinite: int | None = None


@dataclass(frozen=True)
class Judgement:
    """What follows from the evidence.

    Attributes:
        method: the spec judged.
        catalog: what methods and metrics declare.
        images: how many the method has scores of.
        target: the explained class of the scores.
        besides: all comparisons, metric by metric.
        counted: comparisons in which an image differs, for which the p are corrected.
        needed: images from which on one of so many comparisons can be decided.
        undirected: metrics of which nobody says which direction is better.
        useless: metrics by which the method is not better than noise, where images enough differ
            to decide that.
        settled: (metric, other) of comparisons that what the methods are decides.
        sane: the sanity tests of all methods that have them, the judged one first.
        turned: every metric under the protocol and under each switch.
        spent: the judged method first.
        untested: (what, why).
        sentences: seven at most.
    """

    method: str
    catalog: Catalog
    images: int
    target: str
    besides: tuple[Beside, ...]
    counted: int
    needed: int
    undirected: tuple[str, ...]
    useless: tuple[str, ...]
    settled: tuple[tuple[str, str], ...]
    sane: tuple[Sane, ...]
    turned: tuple[Turned, ...]
    spent: tuple[Spent, ...]
    untested: tuple[tuple[str, str], ...]
    sentences: tuple[str, ...]

    @property
    def decidable(self) -> bool:
        """Whether any comparison has the images that a verdict needs."""
        return any(beside.apart >= self.needed for beside in self.besides)

    def against(self, other: str) -> tuple[Beside, ...]:
        """The comparisons with one other method."""
        return tuple(beside for beside in self.besides if beside.other == other)
