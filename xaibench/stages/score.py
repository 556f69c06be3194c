"""Maps -> one value an image and metric, all metrics' forwards in one stream."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xaibench.config.requests import MetricRequest
from xaibench.datasets.base import BLOCK
from xaibench.errors import Failed, reason
from xaibench.normalize import (
    STATUS_FAILED,
    STATUS_NONFINITE,
    STATUS_OK,
    normalize,
    statuses,
)
from xaibench.stages.drive import drive
from xaibench.stages.explain import Unit, load_unit
from xaibench.stages.predict import Predictions
from xaibench.stages.scoring import scoring
from xaibench.stages.session import Session
from xaibench.store import tables
from xaibench.store.index import block_files, missing, unit_name
from xaibench.store.maps import MapShard
from xaibench.types import Rows, Scoring, Values

SUFFIX = ".parquet"
FAILED = "failed-"


def folder_keys(unit: Unit, target: str, metric: str) -> dict[str, str]:
    """The partition of a unit's scores."""
    return {
        "method": unit.method.spec,
        "target": target,
        "transform": unit.variation.transform,
        "variation": unit.variation.name,
        "metric": metric,
    }


def scores_folder(session: Session, unit: Unit, target: str, metric: str) -> Path:
    """Where a unit's scores by a metric lie."""
    return tables.scores_folder(session.root, **folder_keys(unit, target, metric))


def missing_scores(session: Session, unit: Unit, target: str, metric: str) -> tuple[str, ...]:
    """The unit's images that have no score yet; a failed one counts as missing."""
    ids = [session.dataset.ids[p] for p in unit.places]
    place = scores_folder(session, unit, target, metric)
    return missing(place, unit.block, ids, SUFFIX, tables.read_ids).ids


@dataclass(frozen=True)
class Scored:
    """What came of a unit: scores that had no map, and why metrics failed, by spec."""

    unmapped: int
    failed: dict[str, str]


def score_unit(session: Session, unit: Unit, predictions: Predictions) -> Scored:
    """Score what a unit lacks, for every target."""
    unmapped = 0
    failed: dict[str, str] = {}
    for target in session.targets:
        lacking = {m.spec: missing_scores(session, unit, target, m.spec) for m in session.metrics}
        for ids in dict.fromkeys(ids for ids in lacking.values() if ids):
            metrics = [m for m in session.metrics if lacking[m.spec] == ids]
            wanted = set(ids)
            places = tuple(p for p in unit.places if session.dataset.ids[p] in wanted)
            shard = load_unit(session, replace(unit, places=places), target)
            held = {i: row for row, i in enumerate(shard.ids)} if shard else {}
            unmapped += len(metrics) * sum(i not in held for i in ids)
            places = tuple(p for p in places if session.dataset.ids[p] in held)
            for start in range(0, len(places), BLOCK):
                part = replace(unit, places=places[start : start + BLOCK])
                rows = [held[session.dataset.ids[p]] for p in part.places]
                assert shard is not None
                some = shard.select(rows)
                failed |= _score(session, part, target, some, metrics, predictions)
    return Scored(unmapped, failed)


def fail_unit(session: Session, unit: Unit, predictions: Predictions) -> int:
    """Rows of status `failed` for all that a unit lacks; returns their number."""
    count = 0
    for target in session.targets:
        for metric in session.metrics:
            ids = missing_scores(session, unit, target, metric.spec)
            if ids:
                none = torch.full((len(ids),), -1)
                fixed = _fixed(session, ids, target, predictions, none)
                _write_failed(session, unit, target, metric.spec, fixed)
                count += len(ids)
    return count


def _score(
    session: Session,
    unit: Unit,
    target: str,
    shard: MapShard,
    metrics: Sequence[MetricRequest],
    predictions: Predictions,
) -> dict[str, str]:
    """Score one shard; returns why metrics failed, by spec."""
    steps = unit.method.steps(unit.variation.transform)
    maps = normalize(shard.maps, shard.size, steps)
    found, failed = _results(session, unit, target, shard, maps, metrics, predictions)
    map_status = statuses(maps)
    fixed = _fixed(session, shard.ids, target, predictions, shard.explained)
    for metric in metrics:
        if metric.spec in failed:
            _write_failed(session, unit, target, metric.spec, fixed)
            continue
        values, status = _status(found[metric.spec], map_status)
        place = scores_folder(session, unit, target, metric.spec)
        stem = place / unit_name(unit.block, shard.ids)
        _write(stem, fixed, status, values, session.mark(unit.variation))
        _keep_failed(place, unit.block, set(shard.ids), None)
    return failed


def _fixed(
    session: Session,
    ids: Sequence[str],
    target: str,
    predictions: Predictions,
    explained: Tensor,
) -> dict[str, list[Any]]:
    """The columns that all metrics share."""
    return {
        "image": list(ids),
        "model": [session.model] * len(ids),
        "dataset": [session.dataset.name] * len(ids),
        "protocol": [session.protocol.name] * len(ids),
        "label": predictions.labels(ids).tolist(),
        "class_index": predictions.classes(ids, target).tolist(),
        "explained_index": explained.tolist(),
    }


def _write(
    stem: Path,
    fixed: dict[str, list[Any]],
    status: list[str],
    values: list[float],
    subset: str,
) -> None:
    columns = fixed | {"status": status, "value": values}
    ordered = {name: columns[name] for name in tables.SCORES.names}
    tables.save(stem.with_name(stem.name + SUFFIX), ordered, tables.SCORES, subset)


def _write_failed(
    session: Session, unit: Unit, target: str, metric: str, fixed: dict[str, list[Any]]
) -> None:
    """Rows of NaN beside the others; the next run tries again and removes them."""
    rows = fixed | {
        "status": [STATUS_FAILED] * len(fixed["image"]),
        "value": [math.nan] * len(fixed["image"]),
    }
    place = scores_folder(session, unit, target, metric)
    _keep_failed(place, unit.block, set(fixed["image"]), rows)


def _keep_failed(
    place: Path, block: int, touched: set[str], rows: dict[str, list[Any]] | None
) -> None:
    """One file with the failed rows of a block: those of untouched images, and the new rows."""
    old = block_files(place, block, SUFFIX, FAILED)
    held = [row for path in old for row in tables.read(path).to_pylist()]
    kept = [row for row in held if row["image"] not in touched]
    names = tables.SCORES.names
    merged = {n: [row[n] for row in kept] + (rows[n] if rows else []) for n in names}
    path = place / f"{FAILED}{unit_name(block, merged['image'])}{SUFFIX}"
    if merged["image"]:
        tables.save(path, merged, tables.SCORES)
    for stale in old:
        if stale != path or not merged["image"]:
            stale.unlink()


def has_failed(session: Session, unit: Unit, metric: str) -> bool:
    """Whether failed rows of a unit's block stand for any target asked for."""
    return any(
        block_files(scores_folder(session, unit, target, metric), unit.block, SUFFIX, FAILED)
        for target in session.targets
    )


def _results(
    session: Session,
    unit: Unit,
    target: str,
    shard: MapShard,
    maps: Tensor,
    metrics: Sequence[MetricRequest],
    predictions: Predictions,
) -> tuple[dict[str, Tensor | Rows], dict[str, str]]:
    """Each metric's values, or why it failed, by spec.

    Keys of one function with equal options are called once; where the common stream breaks, each
    function runs alone, so that one cannot take the others with it.
    """
    try:
        base = scoring(session, unit, target, shard, maps, metrics, predictions)
    except Failed as error:
        return {}, {m.spec: str(error) for m in metrics}
    calls: dict[str, list[MetricRequest]] = {}
    for metric in metrics:
        calls.setdefault(f"{metric.entry.key} {sorted(metric.options.items())}", []).append(metric)
    found: dict[str, Tensor | Rows] = {}
    failed: dict[str, str] = {}
    try:
        results = _drive(base, calls)
    except Exception:
        results = {}
        for name, asked in calls.items():
            try:
                results |= _drive(base, {name: asked})
            except Exception as error:
                failed |= dict.fromkeys((m.spec for m in asked), reason(error))
    for name, values in results.items():
        for metric in calls[name]:
            wrong = _wrong(metric, values, len(shard.ids))
            if wrong:
                failed[metric.spec] = wrong
            else:
                found[metric.spec] = values[metric.key]
    return found, failed


def _wrong(metric: MetricRequest, values: Values, count: int) -> str:
    """What is wrong with a metric's result; empty where nothing is."""
    if not isinstance(values, Mapping) or metric.key not in values:
        return f"metric {metric.entry.key} returned no '{metric.key}'."
    result = values[metric.key]
    tensor = result.values if isinstance(result, Rows) else result
    statuses = len(result.statuses) if isinstance(result, Rows) else count
    if not isinstance(tensor, Tensor) or tensor.shape != (count,) or statuses != count:
        return f"metric {metric.entry.key} must return {count} values for '{metric.key}'."
    return ""


def _drive(base: Scoring, calls: dict[str, list[MetricRequest]]) -> dict[str, Values]:
    started = {}
    for name, asked in calls.items():
        mine = replace(_own(base), wanted=frozenset(m.key for m in asked))
        started[name] = (asked[0].entry(mine, **asked[0].options), mine)
    return drive(started)


def _own(base: Scoring) -> Scoring:
    """A scoring with tensors of its own: what a metric does to them reaches no other."""
    batch = base.batch
    seen = batch.images.stride(0) != 0  # else nothing needs the images and none were read
    return replace(
        base,
        batch=replace(
            batch,
            images=batch.images.clone() if seen else batch.images,
            labels=batch.labels.clone(),
            targets=batch.targets.clone(),
        ),
        maps=base.maps.clone(),
        target=base.target.clone(),
        logit=base.logit.clone(),
        probability=base.probability.clone(),
        scalars={name: value.clone() for name, value in base.scalars.items()},
        native=None if base.native is None else base.native.clone(),
        extras=copy.deepcopy(dict(base.extras)),
    )


def _status(result: Tensor | Rows, map_status: list[str]) -> tuple[list[float], list[str]]:
    """Values with their statuses: a map's own status first, then the metric's."""
    values = result.values if isinstance(result, Rows) else result
    numbers = values.double().cpu().tolist()
    own = list(result.statuses) if isinstance(result, Rows) else [STATUS_OK] * len(numbers)
    status = []
    for i, (from_map, from_metric) in enumerate(zip(map_status, own, strict=True)):
        if from_metric != STATUS_OK:
            numbers[i], worst = float("nan"), from_metric
        elif from_map == STATUS_NONFINITE or not math.isfinite(numbers[i]):
            numbers[i], worst = float("nan"), STATUS_NONFINITE
        else:
            worst = from_map
        status.append(worst)
    return numbers, status
