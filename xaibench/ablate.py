"""Ablation: one difference between two protocols at a time, and what each moves.

Differences in a method's or metric's options are specs in the run directory of the first protocol
(`insertion(kernel=11)`), which share its maps and predictions. Differences in preprocessing or
normalisation are another run: a derived protocol in a directory of its own. What is there already
is not computed again.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import yaml

from xaibench.api import run
from xaibench.config import Protocol, RunConfig
from xaibench.store.atomic import encode, write
from xaibench.study import Job, Place, Study, directory_name, jobs, study
from xaibench.switches import concerns, moves

if TYPE_CHECKING:
    from xaibench.report.ablation import Ablation

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
            _run_all(plan, Path(folder), say)
        return None
    _run_all(plan, plan.root, say)
    return gather(plan)


def _describe(plan: Study, say: Say) -> None:
    """Say which switches there are and what each can move."""
    for switch in plan.switches:
        say(f"{switch.name}: {switch.before} -> {switch.after}")
        moved = [cell for cell in plan.cells if moves(switch, cell, plan.images)]
        parts = (
            [cell.metric.text for cell in moved],
            [cell.method.text for cell in moved],
            [cell.target for cell in moved],
        )
        metrics, methods, targets = (", ".join(dict.fromkeys(part)) for part in parts)
        say(f"  moves {metrics} of {methods} ({targets})" if moved else "  moves nothing here")


def _run_all(plan: Study, folder: Path, say: Say) -> None:
    """Run every job; derived protocols are written to `folder` first."""
    sources = {
        directory_name(plan.before.name): plan.config.protocol,
        directory_name(plan.after.name): plan.after_source,
    }
    for protocol in plan.derived.values():
        sources[protocol.name] = str(_written(protocol, folder / f"{protocol.name}.yaml"))
    said: set[str] = set()

    def once(line: str) -> None:
        if line not in said and not line.startswith(" "):
            said.add(line)
            say(line)

    for job in jobs(plan.places()):
        values = {
            "method": job.methods,
            "metric": job.metrics,
            "target": job.targets,
            "protocol": sources[job.directory],
            "out": plan.root / job.directory,
        }
        config = plan.config.model_copy(update=values)
        if not config.dry_run:
            _share_maps(plan, job, config)
        result = run(config, say=once)
        if not config.dry_run:
            say(result.line)
        elif job.directory in _renormalised(plan):
            say(f"  (its maps are those of {plan.before.name}: copied)")


def _written(protocol: Protocol, path: Path) -> Path:
    text = yaml.safe_dump(protocol.model_dump(mode="json"), sort_keys=False)
    write(path, lambda file: file.write_text(text, encoding="utf-8"))
    return path


def _renormalised(plan: Study) -> set[str]:
    return {p.name for s, p in plan.derived.items() if s.section == "normalization"}


def _share_maps(plan: Study, job: Job, config: RunConfig) -> None:
    """Native maps do not depend on their normalisation: copy the first protocol's."""
    if job.directory not in _renormalised(plan):
        return
    run(config, stages=frozenset())  # makes it a run directory, with predictions
    source = plan.root / directory_name(plan.before.name)
    target = plan.root / job.directory
    for method in map(encode, job.methods):
        maps = (source / "maps" / method).rglob("[0-9]*.safetensors")
        for path in [*source.glob(f"state/{method}.*"), *maps]:
            if not (target / path.relative_to(source)).exists():
                write(target / path.relative_to(source), partial(shutil.copyfile, path))


def gather(plan: Study) -> Ablation:
    """Every effect, from the scores that the runs left."""
    from xaibench.read import load_scores
    from xaibench.report.ablation import Ablation, Listed
    from xaibench.report.effects import ALL, Variant, cell_effects, with_intervals

    names = {place.directory for place in plan.places()}
    frames = {name: load_scores(plan.root / name) for name in sorted(names)}
    groups = {
        Place(name, *map(str, cast(tuple[object, ...], key))): rows
        for name, frame in frames.items()
        for key, rows in frame[frame["transform"] == "none"].groupby(["method", "metric", "target"])
    }
    found = []
    for cell in plan.cells:
        moving = plan.moving(cell)
        if not moving:
            continue

        def variant(name: str, place: Place | None) -> Variant:
            return Variant(name, groups[place] if place else None)

        singles = [variant(s.name, plan.switched(cell, s)) for s in moving]
        everything = variant(ALL, plan.everything(cell)) if plan.whole else None
        key = (cell.method.text, cell.metric.text, cell.target)
        found += cell_effects(key, groups[plan.base(cell)], singles, everything)
    methods = {cell.method.text: cell.method for cell in plan.cells}
    listed = [
        Listed(
            switch.name,
            switch.before,
            switch.after,
            tuple(text for text, method in methods.items() if concerns(switch, method)),
        )
        for switch in plan.switches
    ]
    any_frame = next(iter(frames.values()))
    return Ablation(
        plan.before.name,
        plan.after.name,
        str(any_frame["model"].iloc[0]),
        str(any_frame["dataset"].iloc[0]),
        tuple(listed),
        tuple(with_intervals(found)),
    )
