"""What a run would do, without doing it, and what is said of what it finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import uuid4

from xaibench.config.run import RunConfig
from xaibench.execution import start
from xaibench.execution.outlook import with_shapes_alone
from xaibench.execution.plan import Plan, plan
from xaibench.stages.block import Task, opened
from xaibench.stages.run import Run
from xaibench.store.remote import fetched

if TYPE_CHECKING:
    from xaibench.models.classifier import TorchClassifier

Say = Callable[[str], None]


def look(
    config: RunConfig,
    stages: frozenset[str],
    say: Say,
    network: TorchClassifier | None = None,
    *,
    bare: bool = False,
) -> tuple[Run, Plan]:
    """What a run would do; nothing is written. bare: without the network's own weights."""
    root, place = fetched(config.out or config.directory, new=True), config.place
    if config.overwrite:  # plan as if nothing were there
        config = config.model_copy(update={"out": root / "overwritten"})
    work = opened(Task(config, uuid4().hex, network))
    if bare:
        with_shapes_alone(work)
    start.check(work, stages)
    start.announce(work, say)
    if not (config.overwrite or bare):
        start.check_directory(work)
    todo = plan(work, stages)
    start.say_unsound(todo.unsound, root, say)
    _describe(place, work, todo, say)
    if config.processes != 1 or config.executor == "ray":
        say("  times below are of one process with all cores: others are not reckoned with")
    if todo.stops:
        say(f"  at most: until {config.until:g} stops what is sure before ({todo.stops.words})")
    return work, todo


def _describe(root: str, work: Run, todo: Plan, say: Say) -> None:
    """Say what a run would do, and with which values."""
    sums = ", ".join(f"{todo.count(what)} {what}" for what in ("predictions", "maps", "scores"))
    say(f"would write to {root}: {sums}")
    for kind, requests in (("method", work.methods), ("metric", work.metrics)):
        for one in requests:
            say(f"  {kind} {one.spec}: {dict(one.options) or 'no options'}")
