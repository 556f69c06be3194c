"""`xaibench.run(config)`: what the commands call."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from xaibench.config.run import RunConfig, load_config
from xaibench.errors import UsageError, XaibenchError
from xaibench.execution.result import RunResult as RunResult
from xaibench.store.layout import SET_ASIDE

if TYPE_CHECKING:
    from xaibench.execution.estimate import Estimate
    from xaibench.execution.plan import Plan
    from xaibench.models.classifier import TorchClassifier
    from xaibench.stages.block import Done
    from xaibench.stages.run import Run
    from xaibench.store.manifest import Manifest

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
    from xaibench.config.early import check_early

    check_early(config)
    from xaibench.store.remote import written

    with written(None if config.dry_run else config.out, wait=config.wait, say=say):
        result = _run(config, stages, say, network, started)
    return replace(result, place=config.place)


def _run(
    config: RunConfig,
    stages: frozenset[str],
    say: Say,
    network: TorchClassifier | None,
    started: float,
) -> RunResult:
    """The same in a directory of this machine."""
    from xaibench.execution import start
    from xaibench.execution.accuracy import Verdict
    from xaibench.execution.crews import run_all
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
        from xaibench.execution.outlook import Made, outlook

        work, todo = _look(config, stages, say, network)
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
        _say_unsound(todo.unsound, root, say)
        if any(todo.stale.values()):
            say(_stale_line(todo.stale))
        held.begun()
        sheet, verdict = Timesheet(), Verdict(work, say)
        with (
            profiling(config.profile, root, work.device, say) as traced,
            progress(todo.works, weights(work)) as shown,
        ):
            try:
                done = run_all(task, todo, each_of(sheet.step, traced, shown, verdict.step), say)
            finally:
                manifest.note(timings=sheet.rows(work))
        _say_unsound(done.unsound, root, say)
        verdict.end()
        return _finish(work, done, todo, manifest, time.monotonic() - started)


def _look(
    config: RunConfig,
    stages: frozenset[str],
    say: Say,
    network: TorchClassifier | None = None,
    *,
    bare: bool = False,
) -> tuple[Run, Plan]:
    """What a run would do; nothing is written. bare: without the network's own weights."""
    from xaibench.execution import start
    from xaibench.execution.outlook import with_shapes_alone
    from xaibench.execution.plan import plan
    from xaibench.stages.block import Task, opened
    from xaibench.store.remote import fetched

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
    _say_unsound(todo.unsound, root, say)
    _describe(place, work, todo, say)
    if todo.stops:
        say(f"  at most: until {config.until:g} stops what is sure before ({todo.stops.words})")
    return work, todo


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
        from xaibench.execution.outlook import Made, outlook

        made = made or Made()
        work, todo = _look(config, ALL_STAGES, say, bare=rate is not None)
        if rate is None:
            _ = work.classifier.inference
        start = time.monotonic() - started
        done.append(outlook(work, todo, made, rate=rate, anew=anew, start=start))
    return together(done)


def _say_unsound(unsound: Mapping[Path, str], root: Path, say: Say) -> None:
    """Say which files no number is made from, and what becomes of them."""
    for kind in dict.fromkeys(unsound.values()):
        paths = [path for path, of in unsound.items() if of == kind]
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        say(f"{kind}: {paths[0]}{more}; set aside in {root / SET_ASIDE}, computed anew")


def _stale_line(stale: Mapping[str, int]) -> str:
    """Say what other code made and is computed again."""
    listed = ", ".join(f"{count} of {name}" for name, count in stale.items() if count)
    return f"stale, since what made them has changed: {listed}; computed anew (--keep-stale keeps)"


def _finish(work: Run, done: Done, todo: Plan, manifest: Manifest, seconds: float) -> RunResult:
    """Close the process's record; raise what a person has to know."""
    from xaibench.stages.share import share
    from xaibench.store.ledger import unreadable

    chosen = set(work.ids(share(work)))
    failed = {i: why for i, why in unreadable(work.root).items() if i in chosen}
    computed = {name: done.made[name] for name in ("predictions", "maps", "scores")}
    computed |= {name: done.made[name] for name in ("failed", "left") if done.made[name]}
    stops = todo.stops
    sure = stops.words if stops else ""
    result = RunResult(
        work.root, len(chosen), computed, len(failed), seconds, sure, work.config.shard or ""
    )
    counts = {"images": len(chosen), "unreadable": len(failed), **computed}
    manifest.end(counts=counts, **({"until": stops.record()} if stops else {}))
    if done.unmapped:
        raise XaibenchError(
            f"{done.unmapped.total()} scores need maps that are not there "
            f"({', '.join(done.unmapped)}): run `xaibench explain` or `xaibench run` with the "
            "same options first."
        )
    if done.reasons:
        what, reason = next(iter(done.reasons.items()))
        more = len(done.reasons) - 1
        raise XaibenchError(
            f"{result.line}: {what} failed: {reason.rstrip('.')}"
            + (f", and {more} more: " if more else ": ")
            + f"see {work.root / 'failures'}, then run the same command again."
        )
    if "left" in computed and work.config.strict:
        raise XaibenchError(f"{result.line}: leave out --strict or --no-retry-failed.")
    if failed and (work.config.strict or len(failed) == len(chosen)):
        first, reason = next(iter(failed.items()))
        raise XaibenchError(
            f"{len(failed)} images cannot be read (of {len(chosen)}), first {first}: {reason}."
        )
    return result


def _describe(root: str, work: Run, todo: Plan, say: Say) -> None:
    """Say what a run would do, and with which values."""
    sums = ", ".join(f"{todo.count(what)} {what}" for what in ("predictions", "maps", "scores"))
    say(f"would write to {root}: {sums}")
    for kind, requests in (("method", work.methods), ("metric", work.metrics)):
        for one in requests:
            say(f"  {kind} {one.spec}: {dict(one.options) or 'no options'}")


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
