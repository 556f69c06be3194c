"""Runs that stopped when they were sure (--until): the intervals that hold whenever one looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xaibench.analysis.intervals import Interval
from xaibench.analysis.sequences import aim_of, interval, scaled

if TYPE_CHECKING:
    from xaibench.analysis.measure import Group, Key


@dataclass(frozen=True)
class Asked:
    """What a process was to stop: means of these at so many points, of so many images in all.

    metric: the bounded ones with their least and largest value. group: images that may depend on
    each other through a transform.
    """

    points: float
    images: int
    group: int
    method: tuple[str, ...]
    target: tuple[str, ...]
    transform: tuple[str, ...]
    metric: Mapping[str, tuple[float, float]]

    def holds(self, key: Key) -> bool:
        """Whether a mean is one of them."""
        return all(of in getattr(self, name) for name, of in key._asdict().items())


class Bound(NamedTuple):
    """The interval of a mean that may have stopped, and at how many points."""

    interval: Interval
    points: float


@dataclass(frozen=True)
class Stopped:
    """places: where each image stands in the drawn order, of all that are known of."""

    places: Mapping[str, int]
    asked: tuple[Asked, ...]

    def at(self, images: Sequence[str]) -> NDArray[np.int64]:
        """(N,) where images stand in the order."""
        return np.array([self.places[image] for image in images], dtype=np.int64)

    def of(self, key: Key) -> Asked | None:
        """What a mean was to stop at, the least points where that was asked several times."""
        found = [one for one in self.asked if one.holds(key)]
        return min(found, key=lambda one: one.points) if found else None

    def bounds(self, cells: Mapping[Key, Group], images: Sequence[str]) -> dict[Key, Bound]:
        """The interval of each mean that could stop; images: the sorted names in the frame.

        It is for the mean over all images of the set. None of its ends is known where a value is
        not within its metric's bounds.
        """
        places, found = self.at(images), {}
        for key, group in cells.items():
            asked = self.of(key)
            if asked is not None and len(group.images):
                found[key] = Bound(_interval(group, places[group.images], asked, key), asked.points)
        return found


def _interval(group: Group, places: NDArray[np.int64], asked: Asked, key: Key) -> Interval:
    size = 1 if key.transform == "none" else asked.group
    last = int(places.max()) + 1
    length = -(-last // size) if last == asked.images else last // size  # whole groups only
    sums, counts = (
        np.bincount(places // size, weights, max(length, 1))[:length].astype(np.float64)
        for weights in (group.sums, group.counts)
    )
    bounds, most = asked.metric[key.metric], size * max(1, len(group.variations))
    seen = scaled(sums, counts, -(-asked.images // size), most, bounds)
    if seen is None or not counts.any():
        return Interval(unsure=True)
    ends = interval(seen, aim_of(asked.points, bounds))
    low, high = (bounds[0] + (bounds[1] - bounds[0]) * end for end in ends)
    return Interval(low, high)
