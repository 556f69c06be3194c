"""One block of images through all stages: what a process takes from the plan."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from xaibench.config.run import RunConfig
from xaibench.config.variations import UNTOUCHED, Variation
from xaibench.errors import Failed
from xaibench.meter import phase
from xaibench.models.classifier import TorchClassifier
from xaibench.models.device import exact_arithmetic
from xaibench.stages import failures
from xaibench.stages.desk import Desk
from xaibench.stages.explain import Lost, explain_unit
from xaibench.stages.mend import mended
from xaibench.stages.predict import load_predictions, predict
from xaibench.stages.rows import fail_unmapped
from xaibench.stages.run import Run, resolve
from xaibench.stages.score import Taken, score_taken, score_unit
from xaibench.stages.share import in_turn
from xaibench.stages.steps import PREDICTIONS, Steps, Tick, works
from xaibench.stages.unit import Block, Places, Unit
from xaibench.store import layout
from xaibench.store.compact import compact
from xaibench.store.ledger import unreadable
from xaibench.store.predictions import Predictions


@dataclass
class Done:
    """What came of a block, or of several: counts of things made, and what failed and why.

    unmapped: scores without a map, by method. unsound: files that were set aside, with the reason.
    """

    made: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    unsound: dict[Path, str] = field(default_factory=dict)

    def add(self, other: Done) -> None:
        """Count another block's too; a reason is kept once."""
        self.made.update(other.made)
        self.unmapped.update(other.unmapped)
        self.reasons = other.reasons | self.reasons
        self.unsound |= other.unsound

    def failed(self, run: Run, unit: Unit, metric: str, reason: str) -> None:
        """Record a failure; it is shown once for each method and metric."""
        failures.record(run, unit, metric, reason)
        what = unit.method.spec if metric == failures.EXPLAIN else f"{metric} of {unit.method.spec}"
        self.reasons.setdefault(what, reason)

    def lost(self, run: Run, unit: Unit, lost: Lost) -> None:
        """Record the images that a method raises for, where it does not for others."""
        why = {run.dataset.ids[p]: text for of in lost.values() for p, text in of.items()}
        first, reason = next(iter(why.items()))
        of = len({place for places in unit.maps.values() for place in places})
        words = f"{reason}, on {len(why)} of {of} images, first {first}"
        some = replace(unit, maps={target: tuple(places) for target, places in lost.items()})
        failures.record(run, some, failures.EXPLAIN, words, why)
        self.reasons.setdefault(unit.method.spec, words)


@dataclass(frozen=True)
class Task:
    """A run as any process can take it up. begun: a name of its own for every call of a run.

    network: one in memory, in the place of the one that the configuration names.
    """

    config: RunConfig
    begun: str
    network: TorchClassifier | None = field(default=None, compare=False)


@functools.lru_cache(maxsize=1)
def opened(task: Task) -> Run:
    """What a task means, resolved once a process."""
    run = resolve(task.config, network=task.network)
    exact_arithmetic(run.device)
    return run


def run_block(task: Task, block: Block, tick: Tick = lambda _step: None) -> Done:
    """Compute and store what a block lacks: of each variation predictions, then each unit.

    It reads what earlier blocks and `prepare` stored, and nothing else than its arguments.
    """
    run, done = opened(task), Done()
    images = (*block.places, *block.companions)
    known = unreadable(run.root, sorted({run.whole.block(place) for place in images}))
    lost = {place for place in images if run.dataset.ids[place] in known}
    desk = Desk(run, lost, block.broken)
    for part in block.parts:
        if part.predictions:
            with Steps(tick, {PREDICTIONS: len(part.predictions)}) as desk.steps:
                done.made["predictions"] += predict(desk, block.number, part)
        if not block.cut:
            _compact_predictions(run, block, part.variation)
        some = [place for place in block.companions if place not in desk.lost]
        predictions = load_predictions(run, some, part.variation) if part.units else None
        for unit in part.units:
            assert predictions is not None
            with Steps(tick, works([unit]), unit.method.spec) as desk.steps:
                _unit(desk, _readable(unit, desk.lost), predictions, done)
    return done


def first_read(block: Block) -> Places:
    """The images that a block's work begins with reading; none where it may need no images."""
    first = block.parts[0] if block.parts else None
    return first.predictions if first and first.variation == UNTOUCHED else ()


def _readable(unit: Unit, lost: set[int]) -> Unit:
    """A unit without the images that turned out unreadable."""
    if lost.isdisjoint(unit.places):
        return unit

    def good(places: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(place for place in places if place not in lost)

    return replace(
        unit,
        places=good(unit.places),
        maps={target: good(places) for target, places in unit.maps.items()},
        scores={t: {m: good(places) for m, places in of.items()} for t, of in unit.scores.items()},
    )


def _unit(desk: Desk, unit: Unit, predictions: Predictions, done: Done) -> None:
    """Explain and score what a unit lacks; what raises is recorded and the rest goes on."""
    run, what = desk.run, f"{unit.method.spec} {unit.variation.label}".strip()
    unit, gone = mended(run, unit)
    done.unsound |= gone
    left = 0
    if not run.config.retry_failed:
        asked, unit = unit, failures.left_alone(run, unit)
        maps, scores = asked.lacking_maps, asked.lacking_scores
        left = maps + scores - unit.lacking_maps - unit.lacking_scores
        done.made["left"] += scores - unit.lacking_scores if scores else left
    maps, scores = unit.lacking_maps, unit.lacking_scores
    broken, taken = False, Taken()
    if maps:
        try:
            desk.steps.begin(f"explain {what}", "maps")
            take = functools.partial(score_taken, desk, unit, predictions, taken)
            lost = explain_unit(desk, unit, predictions, take)
            count = sum(map(len, lost.values()))
            done.made["maps"] += maps - count
            if count:
                broken = True
                done.lost(run, unit, lost)
                done.made["failed"] += 0 if scores else count
        except Failed as failure:
            broken = True
            done.failed(run, unit, failures.EXPLAIN, str(failure))
            done.made["failed"] += 0 if scores else maps
    if scores:
        desk.steps.begin(f"score {what}", "scores")
        scored = score_unit(desk, unit, predictions, taken)
        for metric, why in scored.failed.items():
            done.failed(run, unit, metric, why)
        if broken:
            fail_unmapped(run, unit, scored.unmapped, predictions)
        elif scored.without_map:
            done.unmapped[unit.method.spec] += scored.without_map
        done.made["scores"] += scored.made
        done.made["failed"] += scores - scored.made - (0 if broken else scored.without_map)
    if (scores or (maps and not broken)) and not left:
        failures.forget_scored(run, unit)
    _compact(run, unit)


def _compact_predictions(run: Run, block: Block, of: Variation) -> None:
    """One file for the chunks of a block's predictions."""
    start, size = block.number * run.dataset.block_size, run.dataset.block_size
    order = run.ids(block.places) if of.request else run.dataset.ids[start : start + size]
    folder = layout.predictions(run.root, of.transform, of.name)
    with phase("io"), in_turn(run):
        compact(folder, layout.TABLE, block.number, order)


def _compact(run: Run, unit: Unit) -> None:
    """One file for the chunks of a unit's maps, and of its scores by metric."""
    ids = run.ids(unit.places)
    with phase("io"):
        for target in unit.maps.keys() | unit.scores.keys():
            compact(unit.key.maps(run.root, target), layout.MAPS, unit.block, ids)
            for metric in unit.scores.get(target, {}):
                folder = unit.key.scores(run.root, target, metric)
                compact(folder, layout.TABLE, unit.block, ids)
