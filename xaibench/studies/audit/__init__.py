"""Re-score a random sample of a finished run with independent code: the oracles and Quantus."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaibench.errors import XaibenchError
from xaibench.studies.audit.checks import CHECKS, Case, Comparison

if TYPE_CHECKING:
    from xaibench.stages.run import Run


@dataclass(frozen=True)
class Line:
    """One metric against one source; good: every value lies within its own tolerance.

    left_out: near-ties that float rounding alone decides.
    """

    metric: str
    source: str
    compared: int
    largest: float
    tolerance: float
    left_out: int
    worst: str
    good: bool


def audit(
    root: Path,
    fraction: float = 0.02,
    seed: int = 0,
    say: Callable[[str], None] = lambda _line: None,
) -> list[Line]:
    """Compare stored values with independent ones on a random sample of rows.

    For every method, target and transform at least one image, `fraction` of all of them. Rows of a
    status other than ok and metrics that no source knows are not compared. say gets a line for
    scores that other code made than is here now. Raises XaibenchError where the run has no scores
    or its maps are gone.
    """
    from xaibench.store.read import load_scores
    from xaibench.studies.audit.cases import run_of, stale_scores

    if not 0 < fraction <= 1:
        raise XaibenchError(f"fraction {fraction}: give a number above 0 and up to 1.")
    scores = load_scores(root)
    scores = scores[scores.status == "ok"]
    by_source: dict[tuple[str, str], list[tuple[Comparison, str]]] = {}
    names = [sorted(scores[name].unique()) for name in ("method", "metric", "transform")]
    run = run_of(root, names[0], names[1], names[2])
    for what, count in stale_scores(run).items():
        say(f"stale: other code than is here made {count} scores: {what}")
    for case, rows in _cases(run, scores, fraction, seed):
        for metric, value in rows.items():
            for source, result in _compare(case, metric, value):
                where = " ".join(w for w in (case.method, case.target_name, case.view) if w)
                where += f" {case.image_id}"
                by_source.setdefault((metric, source), []).append((result, where))
    return [
        _line(metric, source, results) for (metric, source), results in sorted(by_source.items())
    ]


def _line(metric: str, source: str, results: list[tuple[Comparison, str]]) -> Line:
    compared = [(r, where) for r, where in results if r.comparable]
    largest, worst = max(((r.difference, where) for r, where in compared), default=(0.0, ""))
    tolerance = max(r.tolerance for r, _ in results)
    good = all(r.difference <= r.tolerance for r, _ in compared)
    left_out = len(results) - len(compared)
    return Line(metric, source, len(compared), largest, tolerance, left_out, worst, good)


def _compare(case: Case, metric: str, value: float) -> Iterator[tuple[str, Comparison]]:
    from xaibench.config.specs import parse

    for source, check in CHECKS.get(parse(metric)[0], {}).items():
        result = check(case, metric, value)
        if result is not None:
            yield source, result


def _cases(
    run: Run, scores: Any, fraction: float, seed: int
) -> Iterator[tuple[Case, dict[str, float]]]:
    """A sample of (method, target, variation, image) with the stored values of all its metrics."""
    from xaibench.studies.audit.cases import case_maker

    make = case_maker(run)
    for (method, target, transform), group in scores.groupby(
        ["method", "target", "transform"], sort=True
    ):
        held = {key: rows for key, rows in group.groupby(["variation", "image"], sort=True)}
        count = max(1, math.ceil(fraction * len(held)))
        chosen = random.Random(f"{seed} {method} {target} {transform}").sample(sorted(held), count)
        for variation, image in sorted(chosen):
            rows = held[variation, image]
            case = make(method, target, transform, variation, image)
            yield case, dict(zip(rows.metric, rows.value, strict=True))
