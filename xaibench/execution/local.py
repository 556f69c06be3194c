"""Run a plan in this process, block by block."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest

from xaibench.errors import Failed
from xaibench.execution.plan import Plan, Preparation
from xaibench.stages.block import Done, Task, first_read, opened, run_block
from xaibench.stages.prepare import prepare_state
from xaibench.stages.run import Run
from xaibench.stages.steps import Step, Tick, works_of
from xaibench.stages.unit import Block


def run_all(task: Task, plan: Plan, tick: Tick) -> Done:
    """Do everything that a plan lists; what raises is recorded and the rest goes on."""
    run, done = opened(task), Done()
    broken: dict[str, str] = {}
    for one in plan.preparations:
        if why := prepare(run, one, tick):
            broken[one.path.name] = why
    for block, following in zip_longest(plan.blocks, plan.blocks[1:]):
        left = plan.stops.left(block) if plan.stops else block
        if left is not block:
            tick(Step("sure", done=works_of(block) - works_of(left), given_up=True))
        if left.total:
            read_ahead(run, left, following)
            done.add(run_block(task, replace(left, broken=broken), tick))
        if plan.stops:
            plan.stops.add(left)
    return done


def prepare(run: Run, one: Preparation, tick: Tick) -> str:
    """Have a method prepare what it needs; why it could not, or ""."""
    tick(Step(f"prepare {one.method.spec}"))
    try:
        prepare_state(run, one.method, one.variation, one.code)
    except Failed as failure:
        return str(failure)
    return ""


def read_ahead(run: Run, block: Block, following: Block | None) -> None:
    """Have the images of the block that follows read while this one is worked on."""
    run.ahead.keep(first_read(block))  # and of none that is sure by now, or another process's
    if run.config.workers:
        run.ahead.begin(run, first_read(following) if following else ())
