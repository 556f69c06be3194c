"""What a process takes: a block of images, and in it what each method lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xaibench.config.code import MAPS, NETWORK, SCORES, STATE, below, code_of
from xaibench.config.requests import MethodRequest, MetricRequest
from xaibench.config.variations import Variation
from xaibench.registry import Registered
from xaibench.store.layout import UnitKey

Places = tuple[int, ...]
"""Images by their place in the dataset's order."""


@dataclass(frozen=True)
class Unit:
    """The readable images of a block under one method and variation, and what they lack.

    maps: by target, the images whose map must be computed. scores: by target and metric, the
    images without a score. code, score_codes: the code that makes its maps, and its scores by
    metric.
    """

    block: int
    places: Places
    method: MethodRequest
    variation: Variation
    code: str = ""
    score_codes: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, Places] = field(default_factory=dict)
    scores: Mapping[str, Mapping[str, Places]] = field(default_factory=dict)

    @property
    def key(self) -> UnitKey:
        """Its name in the store."""
        return UnitKey(self.method.spec, self.variation.transform, self.variation.name)

    @property
    def lacking_maps(self) -> int:
        """How many maps must be computed, over targets."""
        return sum(map(len, self.maps.values()))

    @property
    def lacking_scores(self) -> int:
        """How many scores are missing, over targets and metrics."""
        return sum(len(places) for one in self.scores.values() for places in one.values())


@dataclass(frozen=True)
class Part:
    """What a block lacks on one variation; predictions: images not yet forwarded."""

    variation: Variation
    code: str
    predictions: Places
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Block:
    """What one block of images lacks.

    number: in the dataset's order for the untouched images, in the subset's for transforms.
    places: the chosen images. companions: these, and those that are in their groups. broken: why
    what a method prepares could not be had, by its file's name. cut: whether it is a part of a
    block, beside others that other processes may be at: predictions are none of its business.
    """

    number: int
    places: Places
    companions: Places
    parts: tuple[Part, ...]
    broken: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False

    @property
    def predictions(self) -> int:
        """Images to forward."""
        return sum(len(part.predictions) for part in self.parts)

    @property
    def maps(self) -> int:
        """Maps to compute."""
        return sum(unit.lacking_maps for part in self.parts for unit in part.units)

    @property
    def scores(self) -> int:
        """Scores to compute."""
        return sum(unit.lacking_scores for part in self.parts for unit in part.units)

    @property
    def total(self) -> int:
        """All of it."""
        return self.predictions + self.maps + self.scores


def code_of_predictions(network: Registered | None, variation: Variation) -> str:
    """Hash of the code that makes predictions; network: what loads it, None for one in memory."""
    return code_of(network, NETWORK, variation.entry)


def code_of_state(network: Registered | None, method: MethodRequest) -> str:
    """Hash of the code that makes what a method prepares."""
    return code_of(network, STATE, method.entry)


def code_of_maps(network: Registered | None, method: MethodRequest, variation: Variation) -> str:
    """Hash of the code that makes a method's maps, also of what it prepares and of predictions."""
    return code_of(network, *below(_prepares(method)), MAPS, method.entry, variation.entry)


def _prepares(method: MethodRequest) -> bool:
    return bool(method.entry.metadata.get("prepare"))


def code_of_scores(
    network: Registered | None, method: MethodRequest, variation: Variation, metric: MetricRequest
) -> str:
    """Hash of the code that makes a metric's scores: also that of the maps and predictions."""
    stages = *below(_prepares(method)), MAPS, SCORES
    return code_of(network, *stages, method.entry, variation.entry, metric.entry)
