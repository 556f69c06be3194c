"""Run a plan in this process, block by block."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest

from xaibench.errors import Failed
from xaibench.execution.plan import Plan
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
        tick(Step(f"prepare {one.method.spec}"))
        try:
            prepare_state(run, one.method, one.variation, one.code)
        except Failed as failure:
            broken[one.path.name] = str(failure)
    for block, following in zip_longest(plan.blocks, plan.blocks[1:]):
        left = plan.stops.left(block) if plan.stops else block
        if left is not block:
            tick(Step("sure", done=works_of(block) - works_of(left), given_up=True))
        run.ahead.keep(first_read(left))  # one that is sure now is not read
        if left.total:
            told = reading_ahead(run, following, tick)
            done.add(run_block(task, replace(left, broken=broken), told))
        if plan.stops:
            plan.stops.add(left)
    return done


def reading_ahead(run: Run, following: Block | None, tick: Tick) -> Tick:
    """Tells `tick`; once the block at hand has been read, the images of the next are read too."""
    if not (following and run.config.workers):
        return tick

    def told(step: Step) -> None:
        if any(kind in ("maps", "scores") for kind, _, _ in step.ahead):
            run.ahead.begin(run, first_read(following))
        tick(step)

    return told
