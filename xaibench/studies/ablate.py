"""Ablation: one difference between two protocols at a time, and what each moves.

Differences in the options of a method, metric or transform are specs in the run directory of the
first protocol (`insertion(kernel=11)`, `crop(box='image')`), which share what it has. Differences
in preprocessing, normalisation, the precision of probabilities or BatchNorm groups are another
run: a derived protocol in a directory of its own, with the first protocol's maps where they cannot
differ. What is there already is not computed again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, cast

import yaml

from xaibench.api import run
from xaibench.config.protocol import Protocol
from xaibench.config.reach import concerns, moves, same_maps
from xaibench.config.requests import resolve_transforms
from xaibench.config.run import RunConfig
from xaibench.config.specs import parse
from xaibench.config.switches import Switch
from xaibench.errors import UsageError, XaibenchError
from xaibench.registry.files import located
from xaibench.store import layout, maps, state, tables
from xaibench.store.atomic import write
from xaibench.store.images import beside_state
from xaibench.store.ledger import give_way
from xaibench.store.lock import writing
from xaibench.store.sound import Reader, reader
from xaibench.studies.ablation import Job, Place, Study, directory_name, jobs, study

if TYPE_CHECKING:
    from xaibench.report.pages.ablation import Ablation, Listed

Say = Callable[[str], None]


def ablate(
    config: RunConfig, after: str, only: Iterable[str] = (), say: Say | None = None
) -> Ablation | None:
    """Compute what an ablation lacks and gather it; None for a dry run or without differences.

    config: as for `xaibench.run`; its protocol is the one to start from, its out the directory
    that holds one run directory a protocol. after: the protocol to go to. only: switches by
    name. say gets the lines that a person should see.
    """
    say = say or (lambda _line: None)
    plan = study(config, after, only)
    if not plan.switches:
        asked_for = ", ".join((*config.method, *config.metric))
        say(f"no differences between {plan.before.name} and {plan.after.name} for {asked_for}")
        return None
    if config.dry_run:
        _describe(plan, say)
        with tempfile.TemporaryDirectory() as folder:
            run_jobs(plan, jobs(plan.places()), Path(folder), say)
        return None
    run_jobs(plan, jobs(plan.places()), plan.root, say)
    return gather(plan)


def _describe(plan: Study, say: Say) -> None:
    """Say which switches there are and what each can move."""
    for switch in plan.switches:
        say(f"{switch.name}: {switch.before} -> {switch.after}")
        moved = [c for c in plan.cells if moves(switch, c, plan.before, plan.counts)]
        parts = (
            [cell.metric.text for cell in moved],
            [cell.method.text for cell in moved],
            [cell.target for cell in moved],
            [cell.transform.text for cell in moved],
        )
        metrics, methods, targets, changed = (", ".join(dict.fromkeys(part)) for part in parts)
        on = f" on {changed}" if changed != "none" else ""
        say(f"  moves {metrics} of {methods} ({targets}){on}" if moved else "  moves nothing here")


def run_jobs(
    plan: Study,
    wanted: Iterable[Job],
    folder: Path,
    say: Say,
    failed: Callable[[XaibenchError], None] | None = None,
) -> None:
    """Run jobs of an ablation; derived protocols are written to `folder` first.

    What fails raises, or goes to `failed`, and the rest goes on.
    """
    sources = {
        plan.first: plan.config.protocol,
        directory_name(plan.after.name): plan.after_source,
    }
    for protocol in plan.derived.values():
        sources[protocol.name] = str(_written(protocol, folder / f"{protocol.name}.yaml"))
    said: set[str] = set()

    def once(line: str) -> None:
        if line not in said and not line.startswith(" "):
            said.add(line)
            say(line)

    # the first protocol's jobs come first: others copy its maps
    for job in sorted(wanted, key=lambda job: job.directory != plan.first):
        try:
            _run_job(plan, job, sources[job.directory], say, once)
        except UsageError:
            raise
        except XaibenchError as error:
            if failed is None:
                raise
            failed(error)


def _run_job(plan: Study, job: Job, protocol: str, say: Say, once: Say) -> None:
    """Run a job. once: for what a run says before its result, which others say too."""
    values = {
        "method": tuple(located(spec, plan.config.files) for spec in job.methods),
        "metric": tuple(located(spec, plan.config.files) for spec in job.metrics),
        "target": job.targets,
        "transform": job.transforms,
        "protocol": protocol,
        "out": plan.at(job.directory),
    }
    config = plan.config.model_copy(update=values)
    every = _variations(plan, job)
    shared = _shared(plan, job, every)
    if shared and not config.dry_run:
        _share_maps(plan, job, config, shared, once)
    result = run(config, say=once)
    if not config.dry_run:
        say(result.line)
    elif shared:
        some = f" on {', '.join(map(' '.join, shared))}" if set(shared) < set(every) else ""
        say(f"  (its maps{some} are those of {plan.before.name}: copied)")


def _written(protocol: Protocol, path: Path) -> Path:
    text = yaml.safe_dump(protocol.model_dump(mode="json"), sort_keys=False)
    write(path, lambda file: file.write_text(text, encoding="utf-8"))
    return path


def _switch_of(plan: Study, job: Job) -> Switch | None:
    """The switch whose derived protocol a job runs under."""
    return next((s for s, p in plan.derived.items() if p.name == job.directory), None)


def _variations(plan: Study, job: Job) -> list[tuple[str, str]]:
    """Transforms (specs) with their variations."""
    return [
        (spec, name)
        for spec, request in resolve_transforms(job.transforms, plan.before).items()
        for name in (request.variations if request else ("none",))
    ]


def _shared(plan: Study, job: Job, every: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The variations on which a job's native maps are the first protocol's."""
    switch = _switch_of(plan, job)
    return [v for v in every if switch is not None and same_maps(switch, parse(v[0])[0], v[1])]


def _share_maps(
    plan: Study, job: Job, config: RunConfig, shared: Iterable[tuple[str, str]], say: Say
) -> None:
    """Copy the first protocol's native maps and prepared state; predictions are the run's own."""
    run(config, stages=frozenset(), say=say)  # makes it a run directory of the same subset
    source, target = plan.at(plan.first), plan.at(job.directory)
    mine = reader(target).run
    with (
        writing(source, wait=config.wait, say=say),  # else another may replace what is read
        writing(target, wait=config.wait, say=say),
    ):
        for method in job.methods:
            whole = layout.state(source, method)
            paths = [*whole.parent.glob(whole.name), *whole.parent.glob(f"{whole.stem}@*")]
            for aimed, (transform, name) in product(job.targets, shared):
                folder = layout.maps(source, method, aimed, transform, name)
                paths += folder.glob(f"[0-9]*{layout.MAPS}")
            for path in paths:
                _adopt(path, target / path.relative_to(source), reader(source), mine)


def _adopt(path: Path, into: Path, held: Reader, mine: str) -> None:
    """Store maps or a state of one run as those of another."""
    if into.exists():
        return
    if path.parent.name == "state":
        known, beside = held.prepared(path), beside_state(path)
        if beside.exists():  # which images it was prepared from
            rows = held.table(beside)
            made = replace(known.origin, run=mine)
            tables.save(beside_state(into), rows.to_pydict(), rows.schema, made)
        state.save(into, known.tensors, replace(known.origin, run=mine))
        return
    shard = held.shard(path)
    give_way(into.parent, layout.MAPS, layout.block_of(path), shard.ids, shard.origin.code)
    own = replace(shard, origin=replace(shard.origin, run=mine))
    maps.save(into, own, str(maps.header(path)["state_sha256"]))


def gather(plan: Study) -> Ablation:
    """Every effect, from the scores that the runs left."""
    from xaibench.analysis.effects import (
        ALL,
        NOT_ALONE,
        OTHER_QUANTITY,
        Variant,
        cell_effects,
        with_intervals,
    )
    from xaibench.config.declared import shipped
    from xaibench.report.pages.ablation import Ablation
    from xaibench.store.catalog import catalog_in
    from xaibench.store.read import load_scores

    names = {place.directory for place in plan.places()}
    frames = {name: load_scores(plan.at(name)) for name in sorted(names)}
    keys = ["method", "metric", "target", "transform"]
    groups = {
        Place(name, *map(str, cast(tuple[object, ...], key))): rows
        for name, frame in frames.items()
        for key, rows in frame.groupby(keys)
    }
    effects = []
    for cell in filter(plan.concerned, plan.cells):
        moving = plan.moving(cell)

        def variant(name: str, place: Place | None, redefined: bool) -> Variant:
            note = OTHER_QUANTITY if redefined else NOT_ALONE
            return Variant(name, groups[place] if place else None, note)

        singles = [variant(s.name, plan.switched(cell, s), s.redefines) for s in moving]
        redefined = any(switch.redefines for switch in plan.together(cell))
        everything = variant(ALL, plan.everything(cell), redefined) if plan.whole else None
        named = (cell.method.text, cell.metric.text, cell.target, cell.transform.text)
        effects += cell_effects(named, groups[plan.base(cell)], singles, everything)
    any_frame = next(iter(frames.values()))
    return Ablation(
        plan.before.name,
        plan.after.name,
        str(any_frame["model"].iloc[0]),
        str(any_frame["dataset"].iloc[0]),
        tuple(_listed(plan, switch) for switch in plan.switches),
        tuple(with_intervals(effects)),
        catalog_in(plan.at(plan.first)) or shipped(),
    )


def _listed(plan: Study, switch: Switch) -> Listed:
    """A switch in words, with the methods and the transforms in whose tables it stands."""
    from xaibench.report.pages.ablation import Listed

    methods = {cell.method.text: cell.method for cell in plan.cells}
    changed = dict.fromkeys(cell.transform.text for cell in plan.cells)
    moved = (c for c in plan.cells if moves(switch, c, plan.before, plan.counts))
    reached = dict.fromkeys(cell.transform.text for cell in moved)
    return Listed(
        switch.name,
        switch.before,
        switch.after,
        tuple(text for text, method in methods.items() if concerns(switch, method)),
        tuple(reached or changed),
    )
