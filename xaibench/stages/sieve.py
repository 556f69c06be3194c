"""A batch on which a method raises: the images that it raises for are told from the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from xaibench.core.memory import out_of_memory
from xaibench.errors import MethodRaised
from xaibench.types import Explanation

Of = Callable[[list[int]], Explanation]
"""A method on the images at some places."""
NONE = -1
"""The place of a row of no image: of one that stands in for another."""


@dataclass
class Sieve:
    """One method's maps of a block, a batch at a time. asked: the places that are wanted.

    lost: why the method raises, by place.
    """

    asked: set[int]
    lost: dict[int, str] = field(default_factory=dict)
    _made: bool = False

    def sift(
        self, groups: Sequence[list[int]], of: Of, *, fill: bool
    ) -> tuple[list[int], Explanation | None]:
        """The places of a batch's rows and their maps, without the groups that cannot be had.

        groups: images that cannot be parted (one each where they share nothing). fill: whether
        another image stands in for each that is left out, so that the batch keeps its shape.
        As long as there are no maps, only the first batch is tried group by group.
        """
        whole = [place for group in groups for place in group]
        found, why = _tried(of, whole)
        if found is None:
            whole, found = self._others(groups, of, fill, why)
        self._made |= found is not None
        return whole, found

    def _others(
        self, groups: Sequence[list[int]], of: Of, fill: bool, why: str
    ) -> tuple[list[int], Explanation | None]:
        whole = [place for group in groups for place in group]
        lost: dict[int, str] = {}
        if len(groups) > 1 and (self._made or not self.lost):
            for group in groups:
                found, said = _tried(of, group)
                lost |= dict.fromkeys(group, said) if found is None else {}
        good = [place for place in whole if place not in lost]
        if lost and good:
            held = [NONE if place in lost else place for place in whole] if fill else good
            found, _ = _tried(of, [good[0] if place == NONE else place for place in held])
            if found is not None:
                self._lose(lost)
                return held, found
        self._lose({place: lost.get(place, why) for place in whole})
        return [], None

    def _lose(self, lost: dict[int, str]) -> None:
        self.lost |= {place: why for place, why in lost.items() if place in self.asked}


def _tried(of: Of, places: list[int]) -> tuple[Explanation | None, str]:
    """The maps; or none, and why the method raises. What is short of memory is raised."""
    try:
        return of(places), ""
    except MethodRaised as error:
        if out_of_memory(error):
            raise
        return None, str(error)
