"""Hands out a run's jobs, takes in what comes of them, and hands out again what was lost.

No process is started here and no file is touched: a `Crew` has the hands, processes of this machine
or a cluster's actors, and each hand has one job at a time.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from xaibench import meter
from xaibench.execution.plan import Preparation
from xaibench.stages.block import Done
from xaibench.stages.steps import Step, Tick, Work, works_of
from xaibench.stages.unit import Block

LOSSES = 3
"""A job that is lost so many times is given up."""
PATIENCE = 1.0
"""Seconds that a crew is asked to wait for something to happen."""


@dataclass(frozen=True)
class Job:
    """One thing to hand out: what a block lacks, or what a method prepares before.

    number: unlike that of any other job of a run; of those that can be done the lowest comes first.
    after: the jobs that have to have ended before.
    """

    number: int
    block: Block | None
    after: tuple[int, ...] = ()
    prepare: Preparation | None = None


@dataclass(frozen=True)
class Ticked:
    """A hand took a step, or (None) is in the midst of one.

    counts: what has gone through its network since its event before.
    """

    hand: int
    step: Step | None
    counts: meter.Counts = field(default_factory=meter.Counts)


@dataclass(frozen=True)
class Finished:
    """A hand is done with its job. broken: why what it was to prepare could not be had."""

    hand: int
    job: int
    done: Done = field(default_factory=Done)
    broken: str = ""


@dataclass(frozen=True)
class Said:
    """A hand has a line for the user."""

    hand: int
    line: str


@dataclass(frozen=True)
class Raised:
    """What ends a run was raised by a hand's job: the disk is full, or there is a mistake."""

    hand: int
    error: BaseException


@dataclass(frozen=True)
class Lost:
    """A hand died, and with it what it was at. why: in words, such as `process 2 was killed`.

    preempted: its machine was taken away, which counts for nothing.
    """

    hand: int
    why: str
    preempted: bool = False


Event = Ticked | Finished | Said | Raised | Lost


class Crew(Protocol):
    """The hands of a run, 0 to hands - 1. One that was lost can be given a job at once again."""

    hands: int

    def give(self, hand: int, job: Job, following: Job | None) -> None:
        """Have a hand do a job; what will likely follow it, whose images it may read meanwhile."""

    def events(self, timeout: float) -> Iterable[Event]:
        """What has happened, in each hand's order; waits so many seconds for something to happen.

        Raises XaibenchError where no hand can be had any more.
        """

    def close(self) -> None:
        """Stop: what hands have finished of their jobs is written, and nothing of them is left."""


@dataclass(frozen=True)
class Recovery:
    """What is done with lost jobs. again: a job without what was stored before it was lost.

    give_up: record a job as failed, with the reason.
    """

    again: Callable[[Job], Job]
    give_up: Callable[[Job, str], Done]


Say = Callable[[str], None]


def drive(
    rounds: Iterable[Sequence[Job]],
    crew: Crew,
    tick: Tick,
    recovery: Recovery,
    say: Say,
    stopped: Callable[[], object] = lambda: False,
) -> Done:
    """Have a crew do all jobs, a round after the other; closes the crew.

    tick gets the hands' steps; what their networks counted is added to this process's meter.
    stopped: whether it is to stop. Raises what a hand raised, and KeyboardInterrupt where it stops.
    """
    one = _Drive(crew, tick, recovery, say, stopped)
    try:
        for jobs in rounds:
            one.round(jobs)
    finally:
        crew.close()
    return one.done


class _Drive:
    """The state of a run: which jobs can be done, wait, or are at which hand."""

    def __init__(
        self,
        crew: Crew,
        tick: Tick,
        recovery: Recovery,
        say: Say,
        stopped: Callable[[], object],
    ) -> None:
        self.crew, self.tick, self.recovery, self.say = crew, tick, recovery, say
        self.stopped = stopped
        self.done = Done()
        self.broken: dict[str, str] = {}
        self.idle = list(range(crew.hands - 1, -1, -1))
        self.ready: list[tuple[int, Job]] = []
        self.waits: dict[int, int] = {}
        self.waiting: dict[int, list[Job]] = {}
        self.open: set[int] = set()
        self.at: dict[int, Job] = {}
        self.reserved: dict[int, Job] = {}
        self.told: dict[int, Counter[Work]] = {}
        self.losses: Counter[int] = Counter()
        self.given_up: dict[int, str] = {}
        self.lines: set[str] = set()

    def round(self, jobs: Sequence[Job]) -> None:
        """Do some jobs and wait for their end."""
        self.open.update(job.number for job in jobs)
        for job in jobs:
            before = [number for number in set(job.after) if number in self.open]
            for number in before:
                self.waiting.setdefault(number, []).append(job)
            if before:
                self.waits[job.number] = len(before)
            else:
                heapq.heappush(self.ready, (job.number, job))
        while self.open:
            if self.stopped():
                raise KeyboardInterrupt
            self._hand_out()
            for event in self.crew.events(PATIENCE):
                self._take(event)

    def _hand_out(self) -> None:
        while self.idle and (job := self._next(self.idle[-1])):
            hand = self.idle.pop()
            self.at[hand], self.told[hand] = job, Counter()
            if len(self.ready) >= self.crew.hands:  # else it may be another's turn
                self.reserved[hand] = heapq.heappop(self.ready)[1]
            block = job.block and replace(job.block, broken=self.broken)
            self.crew.give(hand, replace(job, block=block), self.reserved.get(hand))

    def _next(self, hand: int) -> Job | None:
        """A hand's next job: the one that it expects, the lowest, or one that another expects."""
        if hand in self.reserved:
            return self.reserved.pop(hand)
        if self.ready:
            return heapq.heappop(self.ready)[1]
        for other in self.reserved:
            return self.reserved.pop(other)
        return None

    def _take(self, event: Event) -> None:
        if isinstance(event, Ticked):
            meter.add(event.counts)
            if event.step is not None:
                self.told[event.hand].update(event.step.done)
                self.tick(event.step)
        elif isinstance(event, Finished):
            job = self._free(event.hand)
            if job.prepare is not None and event.broken:
                self.broken[job.prepare.path.name] = event.broken
            self.done.add(event.done)
            self._ended(job)
        elif isinstance(event, Lost):
            self._lost(event)
        elif isinstance(event, Raised):
            raise event.error
        elif event.line not in self.lines:  # all hands may say the same
            self.lines.add(event.line)
            self.say(event.line)

    def _free(self, hand: int) -> Job:
        self.idle.append(hand)
        return self.at.pop(hand)

    def _ended(self, job: Job) -> None:
        """Let the jobs go on that waited for this one."""
        self.open.discard(job.number)
        for other in self.waiting.pop(job.number, ()):
            self.waits[other.number] -= 1
            if not self.waits[other.number]:
                del self.waits[other.number]
                if other.number in self.given_up:
                    self._give_up(other, self.given_up.pop(other.number))
                else:
                    heapq.heappush(self.ready, (other.number, other))

    def _lost(self, event: Lost) -> None:
        """Do a lost hand's job again, unless that was lost too often."""
        if event.hand not in self.at:
            self.say(f"{event.why}, and has been replaced")
            return
        job = self._free(event.hand)
        left = self.recovery.again(job)
        self._stored(job, left, self.told.pop(event.hand))
        self.losses[job.number] += not event.preempted
        if self.losses[job.number] >= LOSSES:
            self.say(f"{event.why}; {named(job)} was lost {LOSSES} times and is given up")
            self._give_up(left, f"lost {LOSSES} times: {event.why}")
            return
        self.say(f"{event.why}; {named(job)} is done again")
        heapq.heappush(self.ready, (job.number, left))

    def _stored(self, job: Job, left: Job, told: Counter[Work]) -> None:
        """Count what a lost job has stored, in the place of what its hand told."""
        done: Counter[Work] = Counter()
        if job.block and left.block:
            done += works_of(job.block) - works_of(left.block)
            for what in ("predictions", "maps", "scores"):
                self.done.made[what] += getattr(job.block, what) - getattr(left.block, what)
        done.subtract(told)
        self.tick(Step("", done=done))

    def _give_up(self, job: Job, why: str) -> None:
        """Record a job as failed, and what would have rested on a block's predictions."""
        if job.prepare is not None:
            self.broken[job.prepare.path.name] = why
        elif job.block is not None:
            self.done.add(self.recovery.give_up(job, why))
            self.tick(Step("", done=works_of(job.block), given_up=True))
            if job.block.predictions:
                for other in self.waiting.get(job.number, ()):
                    self.given_up.setdefault(other.number, why)
        self._ended(job)


def named(job: Job) -> str:
    """A job in words."""
    if job.prepare is not None:
        return f"what {job.prepare.method.spec} prepares"
    assert job.block is not None
    methods = dict.fromkeys(unit.method.spec for part in job.block.parts for unit in part.units)
    of = f" of {next(iter(methods))}" if len(methods) == 1 and not job.block.predictions else ""
    return f"block {job.block.number}{of}"
