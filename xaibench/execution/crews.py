"""Who does a run's blocks: this process, or a crew of others."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from xaibench.execution import local
from xaibench.execution.driver import Crew, Job, Recovery, drive
from xaibench.execution.jobs import rounds
from xaibench.execution.places import places
from xaibench.execution.plan import Plan, still_lacking
from xaibench.stages import failures
from xaibench.stages.block import Done, Task, opened
from xaibench.stages.predict import load_predictions
from xaibench.stages.rows import fail_unmapped
from xaibench.stages.run import Run
from xaibench.stages.steps import Tick
from xaibench.stages.unit import Unit

Say = Callable[[str], None]


def run_all(task: Task, plan: Plan, tick: Tick, say: Say) -> Done:
    """Do everything that a plan lists; what raises is recorded and the rest goes on."""
    run = opened(task)
    if run.config.executor == "ray":
        from xaibench.execution.ray import on_ray

        return on_ray(task, plan, tick, say)
    where = places(run, plan, say)
    if len(where) < 2:
        return local.run_all(task, plan, tick)
    from xaibench.execution.parcel import packed
    from xaibench.execution.processes import Parcel, Processes

    in_memory = run.network is not None
    with packed(run) as path:
        if in_memory and not path:
            say("the network in memory cannot be handed to other processes: one does all")
            return local.run_all(task, plan, tick)
        return carry_out(task, plan, Processes(Parcel(task, path, in_memory), where), tick, say)


def carry_out(task: Task, plan: Plan, crew: Crew, tick: Tick, say: Say) -> Done:
    """Have a crew do everything that a plan lists."""
    run = opened(task)
    with stopping() as told:
        recovery = Recovery(lambda job: _again(run, job), lambda job, why: _given_up(run, job, why))
        jobs = rounds(run, plan, crew.hands, tick)
        return drive(jobs, crew, tick, recovery, say, lambda: told)


def _again(run: Run, job: Job) -> Job:
    return replace(job, block=job.block and still_lacking(run, job.block))


def _given_up(run: Run, job: Job, why: str) -> Done:
    """Record what a job lacks as failed, as where a method raises."""
    done = Done()
    block = job.block
    assert block is not None
    if block.predictions:
        done.made["failed"] += block.predictions
        done.reasons["predictions"] = why
    for unit in (unit for part in block.parts for unit in part.units):
        _fail(run, unit, block.companions, why, done)
    return done


def _fail(run: Run, unit: Unit, companions: tuple[int, ...], why: str, done: Done) -> None:
    maps, scores = unit.lacking_maps, unit.lacking_scores
    if maps:
        done.failed(run, unit, failures.EXPLAIN, why)
    elif scores:
        for metric in {m for of in unit.scores.values() for m, places in of.items() if places}:
            done.failed(run, unit, metric, why)
    done.made["failed"] += scores or maps
    predicted = load_predictions(run, companions, unit.variation)
    if set(run.ids(unit.places)) <= predicted.rows.keys() & predicted.untouched.keys():
        fail_unmapped(run, unit, unit.scores, predicted)


@contextmanager
def stopping() -> Iterator[list[int]]:
    """While open, SIGTERM stops all processes as Ctrl-C does, and then this one as ever.

    Inside another, that is when the outer one ends, after what lies between them has been ended.
    Yields the signals that have come: where one comes while a library is being imported, nobody
    else may hear of it.
    """
    told: list[int] = []
    before: dict[int, Any] = {}

    def stop(number: int, _frame: object) -> None:
        told.append(number)
        raise KeyboardInterrupt

    try:
        for kind in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError):  # not the main thread: signals are others' to handle
                before[kind] = signal.signal(kind, stop)
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if signal.SIGTERM in told:
            os.kill(os.getpid(), signal.SIGTERM)
