"""Units that failed: the reason is kept in failures/ until a later run succeeds."""

from __future__ import annotations

from pathlib import Path

from xaibench.stages.run import Run
from xaibench.stages.unit import Unit
from xaibench.store import layout
from xaibench.store.atomic import write_json

EXPLAIN = "explain"
"""In the place of a metric, for maps that could not be had."""


def _path(run: Run, unit: Unit, metric: str) -> Path:
    return unit.key.failure(run.root, unit.block, metric)


def record(run: Run, unit: Unit, metric: str, reason: str) -> None:
    """Keep why a unit's maps (metric `explain`) or one metric's scores could not be had."""
    more = {"metric": metric, "reason": reason, "images": list(run.ids(unit.places))}
    write_json(_path(run, unit, metric), {**vars(unit.key), **more})


def forget(run: Run, unit: Unit, metric: str) -> None:
    """Drop the record of a failure that is none any more."""
    _path(run, unit, metric).unlink(missing_ok=True)


def forget_scored(run: Run, unit: Unit) -> None:
    """Drop the records of all metrics without failed rows in the block, and then of the maps."""
    left = {m.spec for m in run.metrics if _has_failed(run, unit, m.spec)}
    for metric in run.metrics:
        if metric.spec not in left:
            forget(run, unit, metric.spec)
    if not left:
        forget(run, unit, EXPLAIN)


def _has_failed(run: Run, unit: Unit, metric: str) -> bool:
    """Whether failed rows of a unit's block stand for any target asked for."""
    return any(
        layout.block_files(
            unit.key.scores(run.root, target, metric), unit.block, layout.TABLE, layout.FAILED
        )
        for target in run.targets
    )
