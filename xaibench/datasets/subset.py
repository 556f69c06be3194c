"""The images that a run takes from a dataset, in the order in which they form groups."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from xaibench.datasets.base import Dataset, block_size

GROUP = 5
"""Images in a group, over which transforms and train-mode BatchNorm may share draws."""


@dataclass(frozen=True)
class Subset:
    """Places of a dataset in an order of their own, before --limit.

    Groups are consecutive images of it, also where only some are computed. source: its origin.
    """

    dataset: Dataset
    places: tuple[int, ...]
    source: str = "all images"

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the ids in their order."""
        ids = (self.dataset.ids[place] for place in self.places)
        return hashlib.sha256("\n".join(ids).encode()).hexdigest()

    @cached_property
    def positions(self) -> dict[int, int]:
        """Where each place of the dataset stands in the subset's order."""
        return {place: position for position, place in enumerate(self.places)}

    @cached_property
    def whole(self) -> bool:
        """Whether it is the dataset itself, in its order."""
        return self.places == tuple(range(len(self.dataset)))

    def first(self, limit: int | None) -> list[int]:
        """The first `limit` images of the dataset's order, all without one."""
        return sorted(self.places)[:limit]

    def record(self) -> dict[str, object]:
        """What a run directory records of it, with its ids unless it is the whole dataset."""
        ids = None if self.whole else [self.dataset.ids[place] for place in self.places]
        record = {"sha256": self.sha256, "images": len(self.places), "from": self.source}
        return record | ({"ids": ids} if ids else {})

    def group(self, place: int) -> int:
        """The number of the group that a place is in."""
        return self.positions[place] // GROUP

    def groups(self, places: Iterable[int]) -> list[list[int]]:
        """The whole groups that hold some of these places, in order."""
        numbers = sorted({self.group(place) for place in places})
        return [list(self.places[g * GROUP : (g + 1) * GROUP]) for g in numbers]

    def block(self, place: int) -> int:
        """The number of the block that a place is in."""
        return self.positions[place] // block_size(len(self.places))

    def blocks(self, places: Iterable[int]) -> dict[int, list[int]]:
        """The places by block, in the subset's order."""
        blocks: dict[int, list[int]] = {}
        for place in sorted(places, key=self.positions.__getitem__):
            blocks.setdefault(self.block(place), []).append(place)
        return blocks


def recorded(dataset: Dataset, record: dict[str, Any]) -> Subset:
    """The subset that a run directory keeps (`Subset.record`)."""
    at = {image: place for place, image in enumerate(dataset.ids)}
    ids = record.get("ids")
    places = range(len(dataset)) if ids is None else (at[image] for image in ids)
    return Subset(dataset, tuple(places), str(record["from"]))
