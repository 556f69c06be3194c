"""Units that failed: the reason is kept in failures/ until a later run succeeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from xaibench.config.run import TARGETS
from xaibench.errors import XaibenchError
from xaibench.stages.run import Run
from xaibench.stages.unit import Places, Unit
from xaibench.store import layout
from xaibench.store.atomic import read_json, write_json

EXPLAIN = "explain"
"""In the place of a metric, for maps that could not be had."""


def _path(run: Run, unit: Unit, metric: str) -> Path:
    return unit.key.failure(run.root, unit.block, metric)


def record(
    run: Run, unit: Unit, metric: str, reason: str, reasons: Mapping[str, str] | None = None
) -> None:
    """Keep why a unit's maps (metric `explain`) or one metric's scores could not be had.

    With the images and targets that lacked them, also those left alone, and the code that failed.
    reasons: by image, where some alone failed.
    """
    lacking = _lacking(unit, metric)
    images = {p for places in lacking.values() for p in places}
    targets = {target for target, places in lacking.items() if places}
    if not run.config.retry_failed:
        images |= _failed_before(run, unit, metric)
        targets |= set(_texts(_before(run, unit, metric).get("targets")))
    more: dict[str, object] = {
        "metric": metric,
        "reason": reason,
        "images": list(run.ids(p for p in unit.places if p in images)),
        "targets": sorted(targets),
        "code": _code(unit, metric),
    }
    if reasons:
        more["reasons"] = dict(reasons)
    write_json(_path(run, unit, metric), {**vars(unit.key), **more})


def _lacking(unit: Unit, metric: str) -> Mapping[str, Places]:
    """The images that lack maps or a metric's scores, by target."""
    if metric == EXPLAIN:
        return unit.maps
    return {target: of[metric] for target, of in unit.scores.items()}


def _code(unit: Unit, metric: str) -> str:
    return unit.code if metric == EXPLAIN else unit.score_codes[metric]


def left_alone(run: Run, unit: Unit) -> Unit:
    """The unit without what the same code has failed on before, and scores of maps not had."""
    unmapped = _failed_before(run, unit, EXPLAIN)

    def of(target: str, metric: str, places: Places) -> Places:
        lost = _failed_before(run, unit, metric, target)
        without = unmapped & set(unit.maps.get(target, unit.places)) | lost
        return tuple(place for place in places if place not in without)

    return replace(
        unit,
        maps={t: tuple(p for p in places if p not in unmapped) for t, places in unit.maps.items()},
        scores={
            target: {metric: of(target, metric, places) for metric, places in asked.items()}
            for target, asked in unit.scores.items()
        },
    )


def _failed_before(run: Run, unit: Unit, metric: str, target: str | None = None) -> set[int]:
    """Images on which the code that is here now has failed, for a target where one is given."""
    record = _before(run, unit, metric)
    if target is not None and target not in _texts(record.get("targets")):
        return set()
    images = set(_texts(record.get("images")))
    return {place for place in unit.places if run.dataset.ids[place] in images}


def _before(run: Run, unit: Unit, metric: str) -> dict[str, Any]:
    """The record of a failure of the code that is here now; empty where it is no record."""
    code = unit.code if metric == EXPLAIN else unit.score_codes.get(metric, "")
    try:
        record: Any = read_json(_path(run, unit, metric))
    except XaibenchError:
        return {}
    return record if isinstance(record, dict) and code and record.get("code") == code else {}


def _texts(held: object) -> list[str]:
    return list(map(str, held)) if isinstance(held, list) else []


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
    """Whether failed rows of a unit's block stand for any target."""
    return any(
        layout.block_files(
            unit.key.scores(run.root, target, metric), unit.block, layout.TABLE, layout.FAILED
        )
        for target in TARGETS
    )
