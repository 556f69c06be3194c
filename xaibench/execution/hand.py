"""What a hand does with a job: the work of `run_block`, with its steps told to the driver."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from xaibench import meter
from xaibench.execution.driver import Event, Finished, Job, Said, Ticked
from xaibench.execution.local import prepare, read_ahead
from xaibench.execution.profile import Profile, recorded
from xaibench.stages.block import Done, Task, opened, run_block
from xaibench.stages.steps import Spent, Step

Send = Callable[[Event], None]
EVERY = 0.5
"""Seconds between two events in the midst of a step."""


Do = Callable[[Job, Job | None], None]
"""Does a job and sends what comes of it; of the one that follows images are read meanwhile.

Raises what ends a run.
"""


@contextmanager
def hand(task: Task, number: int, send: Send) -> Iterator[Do]:
    """One of the hands of a run, in a process of its own.

    send: takes the events, in the thread that works.
    """
    run = opened(task)
    run.room.say = lambda line: send(Said(number, line))
    with ExitStack() as stack:
        profile = None
        if run.config.profile:
            profile = stack.enter_context(recorded(run.root, run.device, run.config.part))
        teller = Teller(send, number, profile)
        stack.enter_context(meter.watching(teller.look))
        yield partial(_do, task, teller)


def _do(task: Task, teller: Teller, job: Job, following: Job | None) -> None:
    run, done, broken = opened(task), Done(), ""
    teller.begin()
    if job.prepare is not None:
        broken = prepare(run, job.prepare, teller.step)
    elif job.block is not None:
        read_ahead(run, job.block, following.block if following else None)
        done = run_block(task, job.block, teller.step)
    teller.end()
    teller.send(Finished(teller.number, job.number, done, broken))


@dataclass
class Teller:
    """Sends steps with what they took, and now and then what went through the network since."""

    send: Send
    number: int
    profile: Profile | None = None
    clock: Callable[[], float] = time.monotonic
    counts: Callable[[], meter.Counts] = meter.counts
    _phases: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def begin(self) -> None:
        """What was before is no step's."""
        self._last = self._sent = self.clock()
        self._at = self._told = self.counts()

    def step(self, step: Step) -> None:
        """Send a step."""
        now, at = self.clock(), self.counts()
        seconds, counts = now - self._last, at - self._at
        spent = Spent(seconds, counts, self.number, self._since())
        self._last, self._at = now, at
        self._send(replace(step, spent=spent))
        if self.profile:
            self.profile.step(step)

    def end(self) -> None:
        """The end of a job: what is left of what was recorded."""
        if self.profile:
            self.profile.end()
            self.step(Step(""))

    def look(self) -> None:
        """Send what went through the network, where nothing was sent for a while."""
        if self.clock() - self._sent >= EVERY:
            self._send(None)

    def _send(self, step: Step | None) -> None:
        at = self.counts()
        self.send(Ticked(self.number, step, at - self._told))
        self._told, self._sent = at, self.clock()

    def _since(self) -> Mapping[str, tuple[float, float]]:
        """The phases since the step before."""
        if self.profile is None:
            return {}
        before, self._phases = self._phases, self.profile.phases
        zero = (0.0, 0.0)
        return {
            name: (now[0] - before.get(name, zero)[0], now[1] - before.get(name, zero)[1])
            for name, now in self._phases.items()
        }
