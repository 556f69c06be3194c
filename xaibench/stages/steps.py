"""What a run tells while it works: what it is doing, what of that is done, what is left of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal

from xaibench import meter
from xaibench.errors import Failed
from xaibench.stages.unit import Block, Unit

Kind = Literal["predictions", "maps", "scores", "images", ""]
Work = tuple[str, str, str]
"""A kind; by which method; by which metric ('' where there is none)."""
PREDICTIONS: Work = ("predictions", "", "")
IMAGES: Work = ("images", "", "")


@dataclass(frozen=True)
class Spent:
    """What a step took in another process: seconds, and what went through its network.

    hand: which process that is. phases: the seconds by phase, and those on the device, where they
    are recorded.
    """

    seconds: float
    counts: meter.Counts
    hand: int = 0
    phases: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """doing: in words. kind, method: what the time since the step before went into.

    done: how many predictions, maps and scores came of it. images: of how many images they are.
    given_up: whether they were not made: they failed, or their images cannot be read. ahead: those
    left of what is being done. spent: of a step that another process took; None: it is this one's.
    """

    doing: str
    kind: Kind = ""
    method: str = ""
    done: Mapping[Work, int] = field(default_factory=dict)
    images: float = 0
    given_up: bool = False
    ahead: Mapping[Work, int] = field(default_factory=dict)
    spent: Spent | None = None


Tick = Callable[[Step], None]
"""Told each step of a run, by the process and thread that works."""


def each_of(*ticks: Tick) -> Tick:
    """Tells all of them."""

    def tick(step: Step) -> None:
        for one in ticks:
            one(step)

    return tick


def works(units: Iterable[Unit]) -> Counter[Work]:
    """The maps and scores that units lack."""
    found: Counter[Work] = Counter()
    for unit in units:
        found["maps", unit.method.spec, ""] += unit.lacking_maps
        for lacking in unit.scores.values():
            for metric, places in lacking.items():
                found["scores", unit.method.spec, metric] += len(places)
    return +found


def works_of(block: Block) -> Counter[Work]:
    """All that a block lacks."""
    found = works(unit for part in block.parts for unit in part.units)
    return found + Counter({PREDICTIONS: block.predictions})


class Steps:
    """Tells the steps of a piece of work; what is not done of it in the end is given up."""

    def __init__(
        self, tick: Tick, left: Mapping[Work, int] | None = None, method: str = ""
    ) -> None:
        self._tick, self._left, self._method, self._doing = tick, Counter(left or {}), method, ""

    def __enter__(self) -> Steps:
        return self

    def begin(self, doing: str, kind: Kind) -> None:
        """Begin with what is left of a kind."""
        self._doing = doing
        ahead = {work: n for work, n in self._left.items() if work[0] == kind}
        self._tick(Step(doing, ahead=ahead))

    def did(self, kind: Kind, done: Mapping[str, int], images: float) -> None:
        """So many results by metric ('' for none) are done, of so many images."""
        made: dict[Work, int] = {(kind, self._method, metric): n for metric, n in done.items()}
        self._left -= Counter(made)
        self._tick(Step(self._doing, kind, self._method, made, images))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._left and (error is None or isinstance(error, Failed)):
            self._tick(Step(self._doing, done=self._left, given_up=True))
