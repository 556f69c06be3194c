"""Rows of `scripts/bench.py`: each module here measures one thing or several.

A row is a function that yields pairs (ours, the other) for as long as it is asked, the two measured
right after one another, so that what else the machine does falls on both. Both are rates (more is
better), or, where there is no other, `ours` alone is what the bound is about (seconds, gigabytes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.setting import Setting

Pairs = Iterator[tuple[float, float | None]]
Measure = Callable[["Setting"], Pairs]


@dataclass(frozen=True)
class Row:
    """What is measured, against what, and the bound that its ratio (or value) has to keep.

    pairs: how many are measured; `--pairs` overrides it. named: measured only where `--only` names
    it, or its file.
    """

    name: str
    what: str
    other: str
    unit: str
    at_least: float | None
    at_most: float | None
    pairs: int
    file: str
    measure: Measure
    named: bool = False

    @property
    def title(self) -> str:
        """What is measured, against what."""
        return self.what + (f" / {self.other}" if self.other else "")

    @property
    def bound(self) -> str:
        """The bound in words."""
        low = "" if self.at_least is None else f">= {self.at_least:g}"
        return low or ("" if self.at_most is None else f"<= {self.at_most:g}")


ROWS: dict[str, Row] = {}


def row(
    name: str,
    what: str,
    *,
    other: str = "",
    unit: str = "images/s",
    at_least: float | None = None,
    at_most: float | None = None,
    pairs: int = 5,
    named: bool = False,
) -> Callable[[Measure], Measure]:
    """Register a function as a row; ValueError where the name is taken."""

    def register(measure: Measure) -> Measure:
        if name in ROWS:
            raise ValueError(f"two rows are called {name}")
        file = measure.__module__.rpartition(".")[2]
        ROWS[name] = Row(name, what, other, unit, at_least, at_most, pairs, file, measure, named)
        return measure

    return register
