"""What a run would do: which images lack predictions, maps and scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xaibench.config.variations import UNTOUCHED, Variation
from xaibench.stages.explain import Unit, missing_maps
from xaibench.stages.predict import missing_predictions
from xaibench.stages.score import missing_scores
from xaibench.stages.session import Session


@dataclass(frozen=True)
class Work:
    """What is left of one block, in images: predictions, maps and scores.

    block: of the dataset's order for the untouched images, of the subset's for variations of
    transforms. places: the chosen images. companions: these, and those that are in their groups.
    """

    block: int
    places: tuple[int, ...]
    companions: tuple[int, ...]
    variations: tuple[Variation, ...]
    predictions: int
    maps: int
    scores: int

    @property
    def total(self) -> int:
        """All of it, in images."""
        return self.predictions + self.maps + self.scores


def readable(session: Session, places: Sequence[int]) -> tuple[int, ...]:
    """The places whose images could be decoded, as far as is known."""
    bad = session.unreadable(places)
    return tuple(p for p in places if p not in bad)


def units(
    session: Session, block: int, places: Sequence[int], variation: Variation = UNTOUCHED
) -> Iterator[Unit]:
    """The units of a block and variation, one a method; none where nothing is readable."""
    good = readable(session, places)
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


def plan(session: Session, stages: frozenset[str]) -> list[Work]:
    """What is left of every chosen block: the untouched images first, then the transformed.

    Each counts what the given stages ('explain', 'score') would do.
    """
    changed = tuple(v for v in session.variations if v.request)
    plain = tuple(v for v in session.variations if not v.request)
    chosen = session.selection
    together = {p for p in session.companions(chosen)} if changed else set(chosen)
    asked = set(chosen)
    works = [
        _work(session, block, [p for p in places if p in asked], places, plain, stages)
        for block, places in session.blocks(together | asked).items()
    ]
    if changed:
        works += [
            _work(session, block, places, session.companions(places), changed, stages)
            for block, places in session.groups_of.blocks(chosen).items()
        ]
    return works


def _work(
    session: Session,
    block: int,
    places: Sequence[int],
    companions: Sequence[int],
    variations: tuple[Variation, ...],
    stages: frozenset[str],
) -> Work:
    predictions = maps = scores = 0
    touched = [v for v in variations if v.request]
    if touched:
        good = readable(session, places)
        predictions = sum(len(missing_predictions(session, block, good, v)) for v in touched)
    else:
        predictions = len(missing_predictions(session, block, companions))
    for variation in variations:
        for unit in units(session, block, places, variation):
            maps += sum(map(len, needed_maps(session, unit, stages).values()))
            scores += needed_scores(session, unit, stages)
    named = (block, tuple(places), tuple(companions), variations)
    return Work(*named, predictions, maps, scores)
