"""Handing out jobs, with a crew that only plays at working."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from xaibench import meter
from xaibench.config.variations import UNTOUCHED
from xaibench.errors import XaibenchError
from xaibench.execution.driver import (
    Event,
    Finished,
    Job,
    Lost,
    Raised,
    Recovery,
    Said,
    Ticked,
    drive,
)
from xaibench.execution.plan import Preparation
from xaibench.stages.block import Done
from xaibench.stages.steps import PREDICTIONS, Step
from xaibench.stages.unit import Block, Part

Play = Callable[[int, Job], Iterable[Event]]


def block(number: int, images: int = 4) -> Block:
    """A block that lacks predictions alone."""
    places = tuple(range(images))
    return Block(number, places, places, (Part(UNTOUCHED, "", places, ()),))


def job(number: int, *after: int) -> Job:
    return Job(number, block(number), after)


def finish(hand: int, one: Job) -> list[Event]:
    assert one.block is not None
    made = one.block.predictions
    step = Step("predict", "predictions", done={PREDICTIONS: made})
    done = Done()
    done.made["predictions"] = made
    return [Ticked(hand, step, meter.Counts(forwards=made)), Finished(hand, one.number, done)]


@dataclass
class Crew:
    """play: what comes of a hand's job. What was begun first ends first."""

    hands: int
    play: Play = finish
    given: list[tuple[int, int, int | None]] = field(default_factory=list)
    closed: int = 0
    _events: deque[list[Event]] = field(default_factory=deque)

    def give(self, hand: int, one: Job, following: Job | None) -> None:
        self.given.append((hand, one.number, following and following.number))
        self._events.append(list(self.play(hand, one)))

    def events(self, timeout: float) -> Iterable[Event]:
        return self._events.popleft()

    def close(self) -> None:
        self.closed += 1


@dataclass
class Heard:
    """What a drive was told to tell."""

    steps: list[Step] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    failed: list[tuple[int, str]] = field(default_factory=list)
    again: Callable[[Job], Job] = lambda one: one

    def drive(self, jobs: Iterable[list[Job]], crew: Crew) -> Done:
        def give_up(one: Job, why: str) -> Done:
            self.failed.append((one.number, why))
            return Done(reasons={"predictions": why})

        recovery = Recovery(self.again, give_up)
        return drive(jobs, crew, self.steps.append, recovery, self.lines.append)

    @property
    def told(self) -> int:
        """Results that the progress bar has heard of."""
        return sum(sum(step.done.values()) for step in self.steps)


def order(crew: Crew) -> list[int]:
    return [number for _, number, _ in crew.given]


def test_every_job_is_done_once_and_what_came_of_it_added_up() -> None:
    crew, heard, before = Crew(3), Heard(), meter.counts().forwards
    done = heard.drive([[job(n) for n in range(10)]], crew)
    assert sorted(order(crew)) == list(range(10))
    assert (done.made["predictions"], heard.told) == (40, 40)
    assert meter.counts().forwards - before == 40
    assert crew.closed == 1


def test_a_job_waits_for_those_it_names_and_the_lowest_comes_first() -> None:
    crew = Crew(1)
    Heard().drive([[job(0, 3), job(1), job(2, 1), job(3, 2)]], crew)
    assert order(crew) == [1, 2, 3, 0]


def test_a_round_begins_when_the_one_before_has_ended() -> None:
    ended: list[int] = []

    def rounds() -> Iterable[list[Job]]:
        for first in (0, 3, 6):
            assert len(ended) == first  # of --until: it looks at what is stored by then
            yield [job(n) for n in range(first, first + 3)]

    def play(hand: int, one: Job) -> list[Event]:
        ended.append(one.number)
        return finish(hand, one)

    Heard().drive(rounds(), Crew(2, play))
    assert len(ended) == 9


def test_a_hand_hears_of_its_next_job_and_gets_it_while_there_are_many() -> None:
    crew = Crew(2)
    Heard().drive([[job(n) for n in range(7)]], crew)
    told = {(hand, following) for hand, _, following in crew.given if following is not None}
    assert told
    assert told <= {(hand, number) for hand, number, _ in crew.given}
    assert crew.given[-1][2] is None


def test_what_another_hand_expects_is_done_by_one_that_idles() -> None:
    """The first hand's first job lasts until all others are done."""
    held: list[Event] = []

    class Slow(Crew):
        def events(self, timeout: float) -> Iterable[Event]:
            return self._events.popleft() if self._events else held

    def play(hand: int, one: Job) -> list[Event]:
        if one.number == 0:
            held.extend(finish(hand, one))
            return []
        return finish(hand, one)

    crew = Slow(2, play)
    Heard().drive([[job(n) for n in range(6)]], crew)
    assert [number for hand, number, _ in crew.given if hand == 0] == [0]
    assert sorted(order(crew)) == list(range(6))


def losing(times: int, preempted: bool = False) -> Play:
    """Job 1 is lost so often, after half of it was told."""
    lost: list[int] = []

    def play(hand: int, one: Job) -> list[Event]:
        if one.number == 1 and len(lost) < times:
            lost.append(hand)
            half = Step("predict", "predictions", done={PREDICTIONS: 2})
            return [Ticked(hand, half), Lost(hand, "process 1 of 2 was killed", preempted)]
        return finish(hand, one)

    return play


def test_a_lost_job_is_done_again_and_counts_once() -> None:
    crew, heard = Crew(2, losing(2)), Heard()
    done = heard.drive([[job(n) for n in range(4)]], crew)
    assert heard.lines == ["process 1 of 2 was killed; block 1 is done again"] * 2
    assert not done.reasons
    assert (done.made["predictions"], heard.told) == (16, 16)


def test_what_was_stored_before_a_loss_is_not_made_again() -> None:
    crew = Crew(1, losing(1))
    heard = Heard(again=lambda one: replace(one, block=block(1, images=3)))
    done = heard.drive([[job(0), job(1)]], crew)
    assert (done.made["predictions"], heard.told) == (8, 8)


def test_a_job_lost_three_times_is_recorded_as_failed_and_the_rest_goes_on() -> None:
    crew, heard = Crew(2, losing(3)), Heard()
    done = heard.drive([[job(n) for n in range(4)]], crew)
    assert heard.failed == [(1, "lost 3 times: process 1 of 2 was killed")]
    assert heard.lines[-1] == (
        "process 1 of 2 was killed; block 1 was lost 3 times and is given up"
    )
    assert done.reasons == {"predictions": "lost 3 times: process 1 of 2 was killed"}
    assert sorted(order(crew)) == [0, 1, 1, 1, 2, 3]
    assert heard.told == 16


def test_what_rests_on_predictions_that_were_given_up_is_given_up_too() -> None:
    crew, heard = Crew(2, losing(3)), Heard()
    heard.drive([[job(0), job(1), job(2, 0, 1), job(3)]], crew)
    assert [number for number, _ in heard.failed] == [1, 2]
    assert 2 not in order(crew)


def test_machines_that_were_taken_away_count_for_nothing() -> None:
    crew, heard = Crew(2, losing(7, preempted=True)), Heard()
    done = heard.drive([[job(n) for n in range(4)]], crew)
    assert not heard.failed
    assert done.made["predictions"] == 16
    assert len(heard.lines) == 7


def test_blocks_hear_why_what_a_method_prepares_could_not_be_had() -> None:
    method: Any = SimpleNamespace(spec="rise")
    first = Job(0, None, prepare=Preparation(method, UNTOUCHED, Path("state/rise.x"), ""))
    got: list[Block] = []

    def play(hand: int, one: Job) -> list[Event]:
        if one.prepare:
            return [Finished(hand, one.number, broken="no room")]
        assert one.block
        got.append(one.block)
        return finish(hand, one)

    Heard().drive([[first, job(1, 0)]], Crew(2, play))
    assert got[0].broken == {"rise.x": "no room"}


def test_what_ends_a_run_is_raised_and_the_crew_closed() -> None:
    def play(hand: int, one: Job) -> list[Event]:
        return [Raised(hand, XaibenchError("the disk is full."))]

    crew = Crew(2, play)
    with pytest.raises(XaibenchError, match="the disk is full"):
        Heard().drive([[job(0)]], crew)
    assert crew.closed == 1


def test_a_signal_that_nobody_heard_stops_it() -> None:
    """Some libraries swallow Ctrl-C while they are being imported."""
    crew, told = Crew(1), list[int]()

    def tick(_step: Step) -> None:
        told.append(2)

    recovery = Recovery(lambda one: one, lambda _one, _why: Done())
    with pytest.raises(KeyboardInterrupt):
        drive([[job(0), job(1)]], crew, tick, recovery, print, lambda: told)
    assert order(crew) == [0]
    assert crew.closed == 1


def test_what_all_hands_say_is_said_once() -> None:
    def play(hand: int, one: Job) -> list[Event]:
        return [Said(hand, "out of memory at batch size 16: going on with 8"), *finish(hand, one)]

    heard = Heard()
    heard.drive([[job(n) for n in range(4)]], Crew(2, play))
    assert heard.lines == ["out of memory at batch size 16: going on with 8"]
