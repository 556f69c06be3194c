"""What handing out costs: `drive` with hands that do nothing, for the blocks of a large run.

python scripts/simulated_driver.py [--jobs 100000] [--hands 64]

Prints microseconds a job, with the steps that one tells, and the memory that jobs take.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections import deque
from collections.abc import Iterable

from xaibench import meter
from xaibench.config.variations import UNTOUCHED
from xaibench.execution.driver import Event, Finished, Job, Recovery, Ticked, drive
from xaibench.stages.block import Done
from xaibench.stages.steps import PREDICTIONS, Spent, Step
from xaibench.stages.unit import Block, Part

PLACES = tuple(range(80))
STEPS = 10
"""That the hand of a job tells."""


class Idle:
    """A crew whose jobs are done when they are given."""

    def __init__(self, hands: int) -> None:
        self.hands = hands
        self._given: deque[tuple[int, Job]] = deque()

    def give(self, hand: int, job: Job, following: Job | None) -> None:
        """Take a job."""
        self._given.append((hand, job))

    def events(self, timeout: float) -> Iterable[Event]:
        """A job's steps and its end."""
        hand, job = self._given.popleft()
        counts = meter.Counts(forwards=8, rows=8)
        step = Step("predict", "predictions", "", {PREDICTIONS: 8}, 8, spent=Spent(0.1, counts))
        for _ in range(STEPS):
            yield Ticked(hand, step, counts)
        done = Done()
        done.made["predictions"] = 80
        yield Finished(hand, job.number, done)

    def close(self) -> None:
        """Nothing is to be stopped."""


def jobs(count: int) -> list[Job]:
    """A job a block; every tenth waits for the ten before."""
    made = []
    for number in range(count):
        block = Block(number, PLACES, PLACES, (Part(UNTOUCHED, "", PLACES, ()),))
        after = tuple(range(max(0, number - 10), number)) if number % 10 == 0 else ()
        made.append(Job(number, block, after))
    return made


def seconds(count: int, hands: int) -> float:
    """How long it takes to hand out so many jobs."""
    listed = jobs(count)
    start = time.perf_counter()
    recovery = Recovery(lambda job: job, lambda _job, _why: Done())
    done = drive([listed], Idle(hands), lambda _step: None, recovery, print)
    assert done.made["predictions"] == 80 * count
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--hands", type=int, default=64)
    asked = parser.parse_args()
    for count in (asked.jobs // 10, asked.jobs):
        took = seconds(count, asked.hands)
        print(
            f"{count:,} jobs, {asked.hands} hands: {took:.2f} s, {took / count * 1e6:.0f} us each"
        )
    tracemalloc.start()
    seconds(asked.jobs // 10, asked.hands)
    most = tracemalloc.get_traced_memory()[1]
    print(f"memory: {most / (asked.jobs // 10):,.0f} bytes a job at most")


if __name__ == "__main__":
    main()
