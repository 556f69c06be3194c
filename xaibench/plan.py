"""What a run would do: which images lack predictions, maps and scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xaibench.stages.explain import Unit, missing_maps
from xaibench.stages.predict import missing_predictions, unreadable
from xaibench.stages.score import missing_scores
from xaibench.stages.session import Session


@dataclass(frozen=True)
class Work:
    """What is left of one block: images without predictions, and unit work in image counts."""

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
    failed = unreadable(session, block)
    return tuple(p for p in places if session.dataset.ids[p] not in failed)


def units(session: Session, block: int, places: list[int]) -> Iterator[Unit]:
    """The units of a block, one a method."""
    good = readable(session, block, places)
    for method in session.methods:
        yield Unit(block, good, method)


def needed_maps(session: Session, unit: Unit, target: str, scoring: bool) -> tuple[str, ...]:
    """Images whose map must be computed; when scoring follows, only those that lack a score."""
    lacking = missing_maps(session, unit, target)
    if not (lacking and scoring):
        return lacking
    unscored = {i for m in session.metrics for i in missing_scores(session, unit, target, m.spec)}
    return tuple(i for i in lacking if i in unscored)


def plan_block(session: Session, block: int, places: list[int], stages: frozenset[str]) -> Work:
    """Count what the given stages ('explain', 'score') would do for a block."""
    maps = scores = 0
    for unit in units(session, block, places):
        for target in session.targets:
            if "explain" in stages:
                maps += len(needed_maps(session, unit, target, "score" in stages))
            if "score" in stages:
                scores += sum(
                    len(missing_scores(session, unit, target, m.spec)) for m in session.metrics
                )
    predictions = len(missing_predictions(session, block, places))
    return Work(block, tuple(places), predictions, maps, scores)


def plan(session: Session, stages: frozenset[str]) -> list[Work]:
    """What is left of every chosen block."""
    return [plan_block(session, b, places, stages) for b, places in session.blocks().items()]
