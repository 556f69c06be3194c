"""Passes, images and bytes of pieces of work, from what methods and metrics declare.

The counts are those of `xaibench.meter`: forwards are inputs, rows are inputs with those that fill
up a pass.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from xaibench.config.requests import MetricRequest
from xaibench.types import Cost, MetricCost


@dataclass(frozen=True)
class Line:
    """A piece of work. stage: read, predict, prepare, explain or score; metrics: of one call."""

    stage: str
    method: str = ""
    metrics: tuple[str, ...] = ()
    transform: str = "none"
    variation: str = "none"
    size: tuple[int, int] = (0, 0)
    targets: int = 1


@dataclass
class Amount:
    """How much of it. calls: images (by target where one is worked on at a time).

    rows: forwards with those that fill up a pass. decoded: images. maps, tables: bytes. unknown:
    whether some of the work declares no cost. again: rows that explain other inputs, and `times`
    how many inputs these are.
    """

    calls: int = 0
    forwards: int = 0
    rows: int = 0
    backwards: int = 0
    decoded: int = 0
    maps: int = 0
    tables: int = 0
    times: int = 0
    unknown: bool = False

    def add(self, other: Amount) -> None:
        """Add another amount to this one."""
        for one in fields(self):
            both = getattr(self, one.name), getattr(other, one.name)
            setattr(self, one.name, any(both) if one.name == "unknown" else sum(both))


Amounts = dict[Line, Amount]


@dataclass
class Forecast:
    """The work of a plan: what comes before the blocks, and each block's."""

    before: Amounts = field(default_factory=dict)
    blocks: list[Amounts] = field(default_factory=list)

    def lines(self) -> Amounts:
        """All of it, by line."""
        found: Amounts = {}
        for part in (self.before, *self.blocks):
            for line, amount in part.items():
                found.setdefault(line, Amount()).add(amount)
        return found


def passes(inputs: int, rows: int, group: int = 1) -> int:
    """Rows that go through the network for some inputs: whole groups, passes filled up."""
    at_once = -(-rows // group) * group
    whole = inputs // group * group
    forwarded = -(-whole // at_once) * at_once
    rest = inputs - whole
    return forwarded + (rest and max(0, -(-(rows - rest) // group) * group) + rest)


def explained(asked: Cost, images: int, targets: int, rows: int, group: int, train: bool) -> Amount:
    """One call of a method. group: images that share BatchNorm statistics, if `train`."""
    unit = group if train else 1
    own = round(asked.shared % asked.at_once if asked.at_once else 0) * images
    shared, call = round(images * asked.shared) - own, round(asked.call)
    total = Amount(forwards=own + shared + call, rows=passes(own, rows, unit))
    many = unit * (asked.at_once or 1) if train else 1
    total.rows += passes(shared, rows, many) + passes(call, rows)
    if not (asked.at_once and asked.forwards):
        each, back = round(images * asked.forwards), round(images * asked.backwards)
        total.forwards += targets * each
        total.rows += targets * passes(each, rows, unit)
        total.backwards += targets * back
        return total
    together = group if group > 1 else max(1, rows // asked.at_once)
    for start in range(0, images, together):
        held = min(together, images - start) if group > 1 else together
        inputs = held * asked.at_once
        times = targets * asked.forwards / asked.at_once
        total.forwards += round(inputs * times)
        total.rows += round(passes(inputs, rows, many) * times)
        total.backwards += round(targets * held * asked.backwards)
    return total


def given(declared: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """What a declared function says, called with those of some values that it takes."""
    taken = inspect.signature(declared).parameters.values()
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken):
        return declared(**values)
    return declared(**{one.name: values[one.name] for one in taken if one.name in values})


def metric_cost(asked: Sequence[MetricRequest], size: tuple[int, int]) -> MetricCost | None:
    """Passes of one call for some keys of a function; None where it declares none."""
    declared = asked[0].entry.metadata.get("cost")
    if declared is None:
        return None
    wanted = tuple(sorted({metric.key for metric in asked}))
    found = given(declared, {**asked[0].options, "height": size[0], "wanted": wanted})
    if isinstance(found, MetricCost):
        return found
    return MetricCost(forwards=found)


def curve_bytes(asked: Sequence[MetricRequest], size: tuple[int, int]) -> int:
    """Bytes of an image's curves: a number for each of the metric's forwards, and for both ends."""
    costs = [metric_cost([metric], size) or MetricCost() for metric in asked if metric.curve]
    return sum(8 * (round(cost.forwards) + 2) for cost in costs)
