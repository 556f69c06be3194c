"""`xaibench.run(config)`: what the commands call."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from xaibench.config.run import RunConfig, load_config
from xaibench.errors import UsageError, XaibenchError
from xaibench.execution.result import RunResult as RunResult

if TYPE_CHECKING:
    from xaibench.execution.estimate import Estimate
    from xaibench.models.classifier import TorchClassifier

Say = Callable[[str], None]
ALL_STAGES = frozenset({"explain", "score"})


def run(
    config: RunConfig | Mapping[str, Any] | None = None,
    *,
    stages: frozenset[str] = ALL_STAGES,
    say: Say | None = None,
    network: TorchClassifier | None = None,
) -> RunResult:
    """Finish what a configuration asks for and the run directory lacks.

    stages: 'explain', 'score' or both. say gets the lines that a person should see. network: one
    in memory, in the place of the one that the configuration names. Raises UsageError or
    XaibenchError, each one line with the remedy.
    """
    if not isinstance(config, RunConfig):
        config = load_config(dict(config or {}))
    say = say or (lambda _line: None)
    started = time.monotonic()
    with ExitStack() as starting:
        starting.enter_context(_without_collections())
        from xaibench.config.early import check_early

        check_early(config)
        from xaibench.store.remote import written

        with written(None if config.dry_run else config.out, wait=config.wait, say=say):
            result = _run(config, stages, say, network, started, starting.close)
    return replace(result, place=config.place)


@contextmanager
def _without_collections() -> Iterator[None]:
    """While modules are imported and their syntax read: to look for garbage there takes a tenth."""
    had = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if had:
            gc.enable()


def _run(
    config: RunConfig,
    stages: frozenset[str],
    say: Say,
    network: TorchClassifier | None,
    started: float,
    begin: Callable[[], None],
) -> RunResult:
    """The same in a directory of this machine. begin: is called before the work itself."""
    from xaibench.execution import start
    from xaibench.execution.accuracy import Verdict
    from xaibench.execution.crews import run_all
    from xaibench.execution.end import finish
    from xaibench.execution.plan import plan
    from xaibench.execution.profile import profiling
    from xaibench.execution.progress import progress
    from xaibench.execution.timesheet import Timesheet
    from xaibench.execution.weights import weights
    from xaibench.stages.block import Task, opened
    from xaibench.stages.changed import settle
    from xaibench.stages.share import share
    from xaibench.stages.steps import each_of
    from xaibench.store.aside import set_aside
    from xaibench.store.identity import known
    from xaibench.store.lock import writing

    root = config.directory
    if config.dry_run:
        from xaibench.execution.estimate import page
        from xaibench.execution.look import look
        from xaibench.execution.outlook import Made, outlook

        work, todo = look(config, stages, say, network)
        for line in page(outlook(work, todo, Made(), measure=False)):
            say(line)
        return RunResult(root, len(share(work)), {}, 0, time.monotonic() - started)
    task = Task(config, uuid4().hex, network)
    work = opened(task)
    start.check(work, stages)
    start.announce(work, say)
    start.check_place(root)
    before = known(root)
    with writing(root, wait=config.wait, say=say, shard=config.part) as held:
        if held.waited or known(root) != before:  # begun meanwhile, with its batch size
            opened.cache_clear()
            work = opened(task)
        work.room.say = say
        manifest = start.open_directory(work, stages, say)
        settle(work, say, held.alone)
        todo = plan(work, stages)
        if todo.count("predictions"):  # with the network, which a light score did not ask for
            start.check_directory(work)
        for path in todo.unsound:
            set_aside(root, path)
        start.say_unsound(todo.unsound, root, say)
        if any(todo.stale.values()):
            say(start.stale_line(todo.stale))
        held.begun()
        begin()
        sheet, verdict = Timesheet(), Verdict(work, say)
        with (
            profiling(config.profile, root, work.device, say, config.part) as traced,
            progress(todo.works, weights(work)) as shown,
        ):
            try:
                done = run_all(task, todo, each_of(sheet.step, traced, shown, verdict.step), say)
            finally:
                manifest.note(timings=sheet.rows(work))
        start.say_unsound(done.unsound, root, say)
        verdict.end()
        return finish(work, done, todo, manifest, time.monotonic() - started)


def plan_configs(
    configs: Sequence[RunConfig], say: Say, *, rate: float | None = None, anew: bool = False
) -> Estimate:
    """What configurations will take, one after the other, where they share what is made.

    rate: forwards a second, and then nothing is run; anew: measure again what is known. Raises
    UsageError or XaibenchError as the run would.
    """
    from xaibench.config.early import check_early
    from xaibench.execution.estimate import together

    done, made = [], None
    for config in configs:
        started = time.monotonic()
        check_early(config)
        from xaibench.execution.look import look
        from xaibench.execution.outlook import Made, outlook

        made = made or Made()
        work, todo = look(config, ALL_STAGES, say, bare=rate is not None)
        if rate is None:
            _ = work.classifier.inference
        start = time.monotonic() - started
        done.append(outlook(work, todo, made, rate=rate, anew=anew, start=start))
    return together(done)


def run_configs(
    configs: Sequence[RunConfig],
    *,
    stages: frozenset[str] = ALL_STAGES,
    say: Say,
    then: str = "",
) -> list[RunResult]:
    """Run configurations one after the other; the failures of one do not keep the next away.

    then: what the last line says beside its results, where nothing has failed.
    Raises UsageError at once, and in the end the first XaibenchError, with the number of others.
    """
    errors: list[XaibenchError] = []
    done: list[RunResult] = []
    emptied, told = set[Path](), set[str]()
    once = _once(say)
    for number, config in enumerate(configs, 1):
        if config.directory in emptied:  # what an earlier one of these has put there stays
            config = config.model_copy(update={"overwrite": False})
        emptied.add(config.directory)
        try:
            result = run(config, stages=stages, say=say if config.dry_run else once)
        except UsageError:
            raise
        except XaibenchError as error:
            errors.append(error)
            if len({str(one) for one in errors}) > 1:
                _tell(errors, told, say)
        else:
            _tell(errors, told, say)
            done.append(result)
            if not config.dry_run:
                last = number == len(configs) and not errors
                say(result.line + then * last)
    if errors and not told and len(errors) == len(configs):  # all of them say the same
        raise errors[0]
    if errors:
        _tell(errors, told, say)
        raise XaibenchError(f"{len(errors)} of {len(configs)} configurations have failures.")
    return done


def _once(say: Say) -> Say:
    """Says each line once: what holds of the network or the data holds of all configurations."""
    said: set[str] = set()

    def tell(line: str) -> None:
        if line not in said:
            said.add(line)
            say(line)

    return tell


def _tell(errors: Sequence[XaibenchError], told: set[str], say: Say) -> None:
    """Say what has failed, each of it once."""
    for text in map(str, errors):
        if text not in told:
            told.add(text)
            say(text)
