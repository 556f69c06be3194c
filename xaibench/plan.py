"""What a run would do: which images lack predictions, maps and scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xaibench.stages.explain import Unit, missing_maps
from xaibench.stages.index import unreadable
from xaibench.stages.predict import missing_predictions
from xaibench.stages.score import missing_scores
from xaibench.stages.session import Session
from xaibench.stages.variation import UNTOUCHED, Variation


@dataclass(frozen=True)
class Work:
    """What is left of one block, in images: predictions, maps and scores."""

    block: int
    places: tuple[int, ...]
    predictions: int
    maps: int
    scores: int

    @property
    def total(self) -> int:
        """All of it, in images."""
        return self.predictions + self.maps + self.scores


def readable(session: Session, block: int, places: list[int]) -> tuple[int, ...]:
    """The places whose images could be decoded, as far as is known."""
    failed = unreadable(session.root, block)
    return tuple(p for p in places if session.dataset.ids[p] not in failed)


def units(
    session: Session, block: int, places: list[int], variation: Variation = UNTOUCHED
) -> Iterator[Unit]:
    """The units of a block and variation, one a method; none where nothing is readable."""
    good = readable(session, block, places)
    for method in session.methods if good else ():
        yield Unit(block, good, method, variation)


def needed_maps(
    session: Session, unit: Unit, stages: frozenset[str]
) -> Mapping[str, tuple[str, ...]]:
    """By target, images whose map must be computed; before scoring, those that lack a score."""
    found: dict[str, tuple[str, ...]] = {}
    for target in session.targets:
        lacking = missing_maps(session, unit, target) if "explain" in stages else ()
        if lacking and "score" in stages:
            unscored = unscored_images(session, unit, target)
            lacking = tuple(i for i in lacking if i in unscored)
        found[target] = lacking
    return found


def unscored_images(session: Session, unit: Unit, target: str) -> set[str]:
    """Images of a unit that lack a score by any metric asked for."""
    return {i for m in session.metrics for i in missing_scores(session, unit, target, m.spec)}


def needed_scores(session: Session, unit: Unit, stages: frozenset[str]) -> int:
    """How many scores of a unit are missing, over targets and metrics."""
    if "score" not in stages:
        return 0
    return sum(
        len(missing_scores(session, unit, target, metric.spec))
        for target in session.targets
        for metric in session.metrics
    )


def predicted_places(
    session: Session, block: int, places: list[int], variation: Variation
) -> list[int]:
    """The places that need predictions: for the untouched images, with their companions."""
    if variation == UNTOUCHED:
        return session.companions(places)
    return list(readable(session, block, places))


def plan_block(session: Session, block: int, places: list[int], stages: frozenset[str]) -> Work:
    """Count what the given stages ('explain', 'score') would do for a block."""
    predictions = maps = scores = 0
    for variation in dict.fromkeys([UNTOUCHED, *session.variations]):
        wanted = predicted_places(session, block, places, variation)
        predictions += len(missing_predictions(session, block, wanted, variation))
    for variation in session.variations:
        for unit in units(session, block, places, variation):
            maps += sum(map(len, needed_maps(session, unit, stages).values()))
            scores += needed_scores(session, unit, stages)
    return Work(block, tuple(places), predictions, maps, scores)


def plan(session: Session, stages: frozenset[str]) -> list[Work]:
    """What is left of every chosen block."""
    return [plan_block(session, b, places, stages) for b, places in session.blocks().items()]
