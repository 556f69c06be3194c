"""Units that failed: the reason is kept in failures/ until a later run succeeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from xaibench.errors import XaibenchError
from xaibench.stages.run import Run
from xaibench.stages.unit import Places, Unit
from xaibench.store import layout
from xaibench.store.atomic import read_json, write_json

EXPLAIN = "explain"
"""In the place of a metric, for maps that could not be had."""


def _path(run: Run, unit: Unit, metric: str) -> Path:
    return unit.key.failure(run.root, unit.block, metric)


def record(run: Run, unit: Unit, metric: str, reason: str) -> None:
    """Keep why a unit's maps (metric `explain`) or one metric's scores could not be had.

    With the images that lacked them, and the code that failed on them.
    """
    images = {p for places in _lacking(unit, metric).values() for p in places}
    more = {
        "metric": metric,
        "reason": reason,
        "images": list(run.ids(p for p in unit.places if p in images)),
        "code": _code(unit, metric),
    }
    write_json(_path(run, unit, metric), {**vars(unit.key), **more})


def _lacking(unit: Unit, metric: str) -> Mapping[str, Places]:
    """The images that lack maps or a metric's scores, by target."""
    if metric == EXPLAIN:
        return unit.maps
    return {target: of[metric] for target, of in unit.scores.items()}


def _code(unit: Unit, metric: str) -> str:
    return unit.code if metric == EXPLAIN else unit.score_codes[metric]


def left_alone(run: Run, unit: Unit) -> Unit:
    """The unit without what the same code has failed on before; images without maps lack scores."""
    unmapped = _failed_before(run, unit, EXPLAIN)
    maps = {target: _without(places, unmapped) for target, places in unit.maps.items()}
    lost = {m.spec: unmapped | _failed_before(run, unit, m.spec) for m in run.metrics}
    scores = {
        target: {metric: _without(places, lost[metric]) for metric, places in of.items()}
        for target, of in unit.scores.items()
    }
    return replace(unit, maps=maps, scores=scores)


def _without(places: Places, lost: set[int]) -> Places:
    return tuple(place for place in places if place not in lost)


def _failed_before(run: Run, unit: Unit, metric: str) -> set[int]:
    """Images on which the code that is here now has failed; none where the record is no record."""
    code = unit.code if metric == EXPLAIN else unit.score_codes.get(metric, "")
    try:
        record: Any = read_json(_path(run, unit, metric))
    except XaibenchError:
        return set()
    if not (isinstance(record, dict) and code and record.get("code") == code):
        return set()
    held = record.get("images")
    images = set(map(str, held)) if isinstance(held, list) else set()
    return {place for place in unit.places if run.dataset.ids[place] in images}


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
