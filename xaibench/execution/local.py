"""Run a plan in this process, block by block."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest

from xaibench.errors import Failed
from xaibench.execution.plan import Plan
from xaibench.stages.block import Done, Task, first_read, opened, run_block
from xaibench.stages.prepare import prepare_state
from xaibench.stages.steps import Step, Tick, works_of


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
        if first_read(left) != first_read(block):
            run.ahead.drop(first_read(block))
        if left.total:
            if following and run.config.workers:
                run.ahead.begin(run, first_read(following))
            done.add(run_block(task, replace(left, broken=broken), tick))
        if plan.stops:
            plan.stops.add(left)
    return done
