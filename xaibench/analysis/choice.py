"""The methods of one run against each other: what `choose` finds, and whom that leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xaibench.analysis.agreement import Pair
from xaibench.analysis.intervals import Interval
from xaibench.analysis.paired import ALPHA
from xaibench.analysis.stats import MIN_IMAGES
from xaibench.config.catalog import Catalog


@dataclass(frozen=True)
class Duel:
    """Two methods on the same `n` images by the metrics of a group.

    share: what the first wins of all values (0 to 1, equal ones half), with its 95% interval.
    p: two-sided, of the sign-flip permutation test; adjusted: after Holm's correction.
    """

    group: str
    first: str
    second: str
    n: int
    share: float
    interval: Interval
    p: float = 1.0
    adjusted: float = 1.0

    @property
    def winner(self) -> str:
        """The method that beats the other: adjusted p below 0.05 on enough images; else ""."""
        if self.adjusted >= ALPHA or self.n < MIN_IMAGES or self.share == 0.5:
            return ""
        return self.first if self.share > 0.5 else self.second

    @property
    def loser(self) -> str:
        """The other one; "" where none wins."""
        return {"": "", self.first: self.second, self.second: self.first}[self.winner]


@dataclass(frozen=True)
class Rank:
    """A method's mean rank over images, 1 the best of those that are compared, and its interval."""

    mean: float
    interval: Interval


@dataclass(frozen=True)
class Standing:
    """A group of metrics: those that every method with any of them has, on images that all have.

    left_out: metrics of the group that do not count, each with the reason.
    """

    group: str
    metrics: tuple[str, ...]
    n: int
    ranks: Mapping[str, Rank]
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """The methods of a run side by side.

    Attributes:
        target: the explained class that is looked at, on untouched images.
        images: how many have a score.
        methods: those that can be chosen, in the order of the tables.
        controls: methods of the family "control", which are shown and never recommended.
        standings, duels: by group of metrics.
        seconds: of a map, by method, on `device`; empty where none were recorded.
        agreement: every two methods' maps, where there are maps.
        lost: methods without a usable score of what is looked at.
        stopped: whether the run stopped when sure, which the p-values do not allow for.
    """

    target: str
    images: int
    methods: tuple[str, ...]
    controls: tuple[str, ...]
    standings: tuple[Standing, ...]
    duels: tuple[Duel, ...]
    seconds: Mapping[str, float]
    device: str
    agreement: tuple[Pair, ...]
    stopped: bool
    catalog: Catalog
    lost: tuple[str, ...] = ()

    @property
    def judged(self) -> list[Standing]:
        """The groups in which two methods or more are compared, on enough images."""
        return [s for s in self.standings if s.n >= MIN_IMAGES and len(self.ranked(s)) > 1]

    def ranked(self, standing: Standing) -> list[str]:
        """The methods that can be chosen in a group, the best mean rank first."""
        found = [m for m in self.methods if m in standing.ranks]
        return sorted(found, key=lambda method: standing.ranks[method].mean)

    def beaten(self, group: str, winner: str) -> set[str]:
        """Whom a method beats in a group, controls too."""
        return {d.loser for d in self.duels if d.group == group and d.winner == winner}

    def unbeaten(self, standing: Standing) -> list[str]:
        """The methods that no other one which can be chosen beats in a group."""
        lost = set().union(*(self.beaten(standing.group, m) for m in self.methods))
        return [m for m in self.ranked(standing) if m not in lost]

    def first(self, standing: Standing) -> str:
        """The method that beats all others which can be chosen in a group; "" without one."""
        for method in self.ranked(standing):
            others = set(self.ranked(standing)) - {method}
            if others and others <= self.beaten(standing.group, method):
                return method
        return ""

    @property
    def everywhere(self) -> list[str]:
        """The methods that are unbeaten in every judged group that has them, at least in one."""
        kept = []
        for method in self.methods:
            held = [s for s in self.judged if method in s.ranks]
            if held and all(method in self.unbeaten(s) for s in held):
                kept.append(method)
        return kept

    def under(self, methods: Iterable[str]) -> dict[str, dict[str, list[str]]]:
        """The controls that beat some of these methods: whom, in which groups."""
        found: dict[str, dict[str, list[str]]] = {}
        asked = list(methods)
        for control in self.controls:
            for standing in self.judged:
                for method in self.beaten(standing.group, control):
                    if method in asked:
                        of = found.setdefault(control, {})
                        of.setdefault(method, []).append(standing.group)
        return found

    def missing(self, methods: Iterable[str]) -> dict[str, list[str]]:
        """The judged groups that do not have a method, by method."""
        found = {m: [s.group for s in self.judged if m not in s.ranks] for m in methods}
        return {method: groups for method, groups in found.items() if groups}

    def fastest(self, methods: Iterable[str]) -> str:
        """The method among some with the fewest seconds a map; "" where any has none."""
        some = list(methods)
        known = some and all(m in self.seconds for m in some)
        return min(some, key=lambda m: self.seconds[m]) if known else ""
