"""The runs of a check, each of which computes what its directory lacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from xaibench.analysis.check.evidence import NOISE, WEIGHTS
from xaibench.api import ALL_STAGES, run
from xaibench.config.requests import resolve_metrics
from xaibench.config.run import RunConfig
from xaibench.errors import UsageError, XaibenchError
from xaibench.registry.files import located
from xaibench.store import layout
from xaibench.store.atomic import write
from xaibench.store.read import load_scores
from xaibench.studies.ablate import run_jobs
from xaibench.studies.ablation import jobs
from xaibench.studies.check.asked import Check
from xaibench.studies.check.turns import Turns

Say = Callable[[str], None]
SANITY = {WEIGHTS: "parameter_randomization(stages=1)", NOISE: "noise_correlation"}
"""The metrics that set a map beside that of another network, or of a noisy image."""


@dataclass
class Runs:
    """What runs said once, and why some failed."""

    say: Say
    failed: list[XaibenchError] = field(default_factory=list)
    _said: set[str] = field(default_factory=set)

    def once(self, line: str) -> None:
        """Say a line that was not said before."""
        if line not in self._said:
            self._said.add(line)
            self.say(line)

    def fail(self, error: XaibenchError) -> None:
        """Keep an error after which the rest goes on, and say it."""
        self.failed.append(error)
        self.say(str(error))

    def go(self, config: RunConfig, stages: frozenset[str] = ALL_STAGES) -> None:
        """One run; an error that the same command may mend is kept."""
        try:
            result = run(config, stages=stages, say=self.once)
        except UsageError:
            raise
        except XaibenchError as error:
            self.failed.append(error)
        else:
            if not config.dry_run:
                self.say(result.line)


def run_all(check: Check, turns: Turns, sanity: bool, say: Say) -> list[XaibenchError]:
    """Run what the check lacks; returns the errors after which the rest went on."""
    runs, config, plan = Runs(say), check.config, turns.plan
    if check.call:
        more = tuple(SANITY.values()) if sanity else ()
        whole = {"method": (check.call, *config.method), "metric": (*config.metric, *more)}
        runs.go(config.model_copy(update=whole))
        if sanity and (config.dry_run or _scored(check)):
            other = {**whole, "target": (check.other,)}
            runs.go(config.model_copy(update=other), frozenset({"explain"}))
    else:
        orders = dict.fromkeys(t.place.metric for t in turns.all if t.method == check.method)
        metrics = (*config.metric, *(located(metric, config.files) for metric in orders))
        runs.go(config.model_copy(update={"method": (), "metric": metrics}))
        if runs.failed and not _scored(check):  # before others are run for nothing
            raise runs.failed[0]
        same = {"maps": None, "name": None, **(_same_images(check) if _scored(check) else {})}
        runs.go(config.model_copy(update=same))
        plan = replace(plan, config=plan.config.model_copy(update=same))
    if runs.failed and (config.dry_run or not _scored(check)):
        raise runs.failed[0]
    if config.dry_run:
        return []
    for error in runs.failed:
        say(str(error))
    mine = [t.place for t in turns.all if check.call or t.method != check.method]
    if mine:
        run_jobs(plan, jobs(mine), check.folder, runs.once, runs.fail)
    return runs.failed


def tests_of(check: Check) -> dict[str, str]:
    """The sanity tests, each with its metric's spec as results are stored."""
    resolved = {test: resolve_metrics([spec], check.protocol) for test, spec in SANITY.items()}
    return {test: found[0].spec for test, found in resolved.items()}


def images_of(check: Check) -> tuple[str, ...]:
    """The images that are asked for; of maps alone those that are scored."""
    if check.call:
        return check.images
    scores = load_scores(check.root)
    return tuple(sorted(scores.image[scores.method == check.method].unique()))


def _same_images(check: Check) -> dict[str, Any]:
    """The options that choose the images which maps alone are scored of."""
    images = images_of(check)
    path = layout.report(check.root) / f"check-{layout.encode(check.method)}-images.csv"
    write(path, lambda file: file.write_text("\n".join([*images, ""]), encoding="utf-8"))
    return {"subset": path, "per_class": None, "limit": None}


def _scored(check: Check) -> bool:
    """Whether there is anything to judge."""
    folder = check.root / "scores" / f"method={layout.encode(check.method)}"
    return any(folder.rglob(f"[0-9]*{layout.TABLE}"))
