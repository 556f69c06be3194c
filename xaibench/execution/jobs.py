"""From a plan to jobs: a block a job, and of the last blocks each method, so that none idles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from xaibench.config.variations import UNTOUCHED
from xaibench.execution.driver import Job
from xaibench.execution.plan import Plan
from xaibench.execution.weights import weights
from xaibench.stages.run import Run
from xaibench.stages.steps import Step, Tick, works, works_of
from xaibench.stages.unit import Block, Unit


def rounds(run: Run, plan: Plan, hands: int, tick: Tick) -> Iterator[Sequence[Job]]:
    """The jobs of a plan for so many hands, in rounds of which one is done before the next is made.

    With --until, which decides at ends of blocks, each block is a round of its own, cut by method.
    tick is told what is sure by then and needs no work.
    """
    maker = _Maker(run, plan, hands)
    if plan.stops is None:
        blocks = [block for block in plan.blocks if block.total]
        whole = max(0, len(blocks) // hands - 1) * hands  # the last are cut: hands end together
        jobs = list(maker.preparations)
        for number, block in enumerate(blocks):
            jobs += maker.jobs(block, cut=number >= whole)
        yield jobs
        return
    yield maker.preparations
    for block in plan.blocks:
        left = plan.stops.left(block)
        if left is not block:
            tick(Step("sure", done=works_of(block) - works_of(left), given_up=True))
        if left.total:
            yield maker.jobs(left, cut=True)
        plan.stops.add(left)


@dataclass
class _Maker:
    """Makes jobs of blocks, in the plan's order. predicting: the job of a block's predictions."""

    run: Run
    plan: Plan
    hands: int
    predicting: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = count()
        made = [Job(next(self._numbers), None, prepare=one) for one in self.plan.preparations]
        self.preparations: Sequence[Job] = made
        self._prepared = {job.prepare.path: job.number for job in made if job.prepare}
        self._weigh = weights(self.run)

    def jobs(self, block: Block, cut: bool) -> list[Job]:
        """A block's job, or one for its predictions and then one a method, the longest first."""
        pieces = self._pieces(block) if cut else []
        after = self._predicted(block)
        if len(pieces) < 2:
            return [self._job(block, after, predicts=True)]
        jobs = []
        if block.predictions:
            bare = tuple(replace(part, units=()) for part in block.parts)
            jobs.append(self._job(replace(block, parts=bare), after, predicts=True))
            after = (*after, jobs[0].number)
        jobs += [self._job(piece, after, predicts=False) for piece in pieces]
        return jobs

    def _job(self, block: Block, after: tuple[int, ...], predicts: bool) -> Job:
        number = next(self._numbers)
        if predicts and _of_untouched(block):
            self.predicting[block.number] = number
        states = self._states(block) if self._prepared else ()
        prepared = {self._prepared.get(path) for path in states if path}
        waits = (*after, *(number for number in prepared if number is not None))
        return Job(number, block, waits)

    def _states(self, block: Block) -> Iterator[Path | None]:
        """Where what a block's methods prepare lies."""
        for unit in (unit for part in block.parts for unit in part.units):
            yield self.run.state_path(unit.method, unit.variation)

    def _predicted(self, block: Block) -> tuple[int, ...]:
        """The jobs that predict the classes which transformed inputs are explained for."""
        if _of_untouched(block):
            return ()
        blocks = {self.run.whole.block(place) for place in block.companions}
        return tuple(sorted(self.predicting[n] for n in blocks if n in self.predicting))

    def _pieces(self, block: Block) -> list[Block]:
        """A block's methods, or method by variation where the methods are fewer than the hands."""
        units = [u for p in block.parts for u in p.units if u.lacking_maps or u.lacking_scores]
        few = len({unit.method.spec for unit in units}) < self.hands
        by: dict[object, list[Unit]] = {}
        for unit in units:
            by.setdefault((unit.method.spec, unit.variation if few else None), []).append(unit)
        pieces = sorted(by.values(), key=self._weight, reverse=True)
        return [_piece(block, piece) for piece in pieces]

    def _weight(self, units: Sequence[Unit]) -> float:
        return sum(n * self._weigh(work) for work, n in works(units).items())


def _piece(block: Block, units: Sequence[Unit]) -> Block:
    """Some units of a block, whose predictions are another job's."""
    wanted = {id(unit) for unit in units}
    parts = [
        replace(part, predictions=(), units=tuple(u for u in part.units if id(u) in wanted))
        for part in block.parts
    ]
    return replace(block, parts=tuple(part for part in parts if part.units), cut=True)


def _of_untouched(block: Block) -> bool:
    return any(part.variation == UNTOUCHED for part in block.parts)
