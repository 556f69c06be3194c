"""Maps -> one row an image and metric, stored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xaibench.config.requests import MetricRequest
from xaibench.config.variations import UNTOUCHED
from xaibench.core.explain import explainer
from xaibench.core.score import Result, Scores, score, seen
from xaibench.datasets.base import BLOCK
from xaibench.errors import Failed
from xaibench.normalize import STATUS_FAILED
from xaibench.stages.desk import Desk
from xaibench.stages.run import Run
from xaibench.stages.unit import Places, Unit
from xaibench.store import layout, maps, tables
from xaibench.store.ledger import give_way
from xaibench.store.maps import MapShard
from xaibench.store.origin import FOREIGN, Origin, Unsound
from xaibench.store.predictions import Predictions
from xaibench.types import Answer, Batch, Scoring


@dataclass(frozen=True)
class Scored:
    """What came of a unit: scores made, why metrics failed, and what had no map.

    unmapped: by target and metric, images whose score is missing for want of a map.
    """

    made: int
    failed: Mapping[str, str]
    unmapped: Mapping[str, Mapping[str, Places]]

    @property
    def without_map(self) -> int:
        """How many scores had no map."""
        return sum(len(places) for of in self.unmapped.values() for places in of.values())


def score_unit(desk: Desk, unit: Unit, predictions: Predictions) -> Scored:
    """Score what a unit lacks, for every target."""
    made = 0
    failed: dict[str, str] = {}
    unmapped: dict[str, dict[str, Places]] = {}
    for target, lacking in unit.scores.items():
        for places in dict.fromkeys(places for places in lacking.values() if places):
            metrics = [m for m in desk.run.metrics if lacking[m.spec] == places]
            shard = load_maps(desk.run, replace(unit, places=places), target)
            held = set(shard.ids if shard else ())
            mapped = tuple(p for p in places if desk.run.dataset.ids[p] in held)
            left = tuple(p for p in places if desk.run.dataset.ids[p] not in held)
            unmapped.setdefault(target, {}).update(dict.fromkeys((m.spec for m in metrics), left))
            for start in range(0, len(mapped), BLOCK):
                rows = list(range(start, min(start + BLOCK, len(mapped))))
                assert shard is not None
                some = shard.select(rows)
                part = replace(unit, places=mapped[start : start + BLOCK])
                why = _score(desk, part, target, some, metrics, predictions)
                made += (len(metrics) - len(why)) * len(rows)
                failed |= why
    return Scored(made, failed, unmapped)


def load_maps(run: Run, unit: Unit, target: str) -> MapShard | None:
    """The stored maps of a unit's images, in the unit's order; images without one left out.

    So are maps that other code made, where the unit says which code is meant. Raises Unsound for
    files that are damaged, another run's, or of transformed inputs in groups of another subset.
    """
    folder = unit.key.maps(run.root, target)
    shards = []
    for path in layout.block_files(folder, unit.block, layout.MAPS):
        shard = maps.load(path)
        if (shard.origin.run, shard.origin.subset) != (run.mine, run.mark(unit.variation)):
            raise Unsound(path, FOREIGN)
        if run.config.keep_stale or shard.origin.code == unit.code or not unit.code:
            shards.append(shard)
    return maps.join(shards, run.ids(unit.places))


def fail_unmapped(run: Run, unit: Unit, scored: Scored, predictions: Predictions) -> None:
    """Rows of status `failed` for all scores that had no map."""
    for target, lacking in scored.unmapped.items():
        for metric, places in lacking.items():
            if places:
                none = torch.full((len(places),), -1)
                fixed = _fixed(run, run.ids(places), target, predictions, none)
                _write_failed(run, unit, target, metric, fixed)


def _score(
    desk: Desk,
    unit: Unit,
    target: str,
    shard: MapShard,
    metrics: Sequence[MetricRequest],
    predictions: Predictions,
) -> Mapping[str, str]:
    """Score one shard; returns why metrics failed, by spec."""
    run = desk.run
    try:
        found = score(scoring(desk, unit, target, shard, metrics, predictions), metrics)
    except Failed as error:
        found = Scores({}, {m.spec: str(error) for m in metrics})
    fixed = _fixed(run, shard.ids, target, predictions, shard.explained)
    for metric in metrics:
        if metric.spec in found.failed:
            _write_failed(run, unit, target, metric.spec, fixed)
            continue
        folder, code = unit.key.scores(run.root, target, metric.spec), unit.score_codes[metric.spec]
        give_way(folder, layout.TABLE, unit.block, shard.ids, code)
        name = layout.block_name(unit.block, shard.ids, code)
        made = run.origin(code, unit.variation)
        _write(folder / f"{name}{layout.TABLE}", fixed, found.results[metric.spec], made)
        _keep_failed(run, folder, unit.block, set(shard.ids), None)
    return found.failed


def scoring(
    desk: Desk,
    unit: Unit,
    target: str,
    shard: MapShard,
    metrics: Sequence[MetricRequest],
    predictions: Predictions,
    *,
    explained: bool = False,
) -> Scoring:
    """What the metrics see; the network and the images only where a metric needs them.

    explained: whether it can explain other inputs, as where a metric needs that.
    """
    run, ids = desk.run, shard.ids
    needs = {need for m in metrics for need in m.needs} | ({"explain"} if explained else set())
    heavy = bool(needs - {"boxes"})
    if heavy:
        batch = desk.batch(unit.places, predictions, (target,), unit.variation)
        ctx = run.context_for(batch.size, unit.variation, unit.method)
    else:
        blank = torch.zeros(1).expand(len(ids), 3, *shard.size)
        classes = predictions.classes(ids, target)[:, None]
        batch = Batch(ids, blank, predictions.labels(ids), classes, (target,), unit.places)
        ctx = run.light_context
    explain = None
    extras: dict[str, Any] = {}
    if "boxes" in needs:
        untouched = unit.variation == UNTOUCHED  # boxes do not follow a transform
        extras["boxes"] = run.boxes(ids) if untouched else [None] * len(ids)
    if "explain" in needs:
        state = desk.state(unit.method, unit.variation)
        tensors = state.tensors if state else None
        explain = explainer(ctx, unit.method, batch, tensors, unit.variation.transform)
        extras["explain_forwards"] = run.cost(unit.method).total(1)[0]
        extras["in_subset"] = run.measured(ids, unit.variation)
    return seen(
        ctx,
        unit.method,
        batch,
        shard.maps,
        Answer(predictions.logit(ids, target), predictions.probability(ids, target)),
        transform=unit.variation.transform,
        scalars=shard.scalars,
        explain=explain,
        shared=desk.memo(ids, unit.variation) if heavy else None,
        extras=extras,
    )


def _fixed(
    run: Run, ids: Sequence[str], target: str, predictions: Predictions, explained: Tensor
) -> dict[str, list[Any]]:
    """The columns that all metrics share."""
    return {
        "image": list(ids),
        "model": [run.model] * len(ids),
        "dataset": [run.dataset.name] * len(ids),
        "protocol": [run.protocol.name] * len(ids),
        "label": predictions.labels(ids).tolist(),
        "class_index": predictions.classes(ids, target).tolist(),
        "explained_index": explained.tolist(),
    }


def _write(path: Path, fixed: dict[str, list[Any]], result: Result, made: Origin) -> None:
    columns = fixed | {"status": result.statuses, "value": result.values}
    tables.save(path, {name: columns[name] for name in tables.SCORES.names}, tables.SCORES, made)


def _write_failed(
    run: Run, unit: Unit, target: str, metric: str, fixed: dict[str, list[Any]]
) -> None:
    """Rows of NaN beside the others; the next run tries again and removes them."""
    rows = fixed | {
        "status": [STATUS_FAILED] * len(fixed["image"]),
        "value": [math.nan] * len(fixed["image"]),
    }
    folder = unit.key.scores(run.root, target, metric)
    give_way(folder, layout.TABLE, unit.block, fixed["image"], unit.score_codes[metric])
    _keep_failed(run, folder, unit.block, set(fixed["image"]), rows)


def _keep_failed(
    run: Run, folder: Path, block: int, touched: set[str], rows: dict[str, list[Any]] | None
) -> None:
    """One file with the failed rows of a block: those of untouched images, and the new rows."""
    old = layout.block_files(folder, block, layout.TABLE, layout.FAILED)
    held: list[dict[str, Any]] = []
    for path in old:
        with suppress(Unsound):  # a damaged one goes: its images are tried again
            held += tables.read(path).to_pylist()
    kept = [row for row in held if row["image"] not in touched]
    names = tables.SCORES.names
    merged = {n: [row[n] for row in kept] + (rows[n] if rows else []) for n in names}
    name = f"{layout.FAILED}{layout.block_name(block, merged['image'])}{layout.TABLE}"
    if merged["image"]:
        tables.save(folder / name, merged, tables.SCORES, run.origin(""))
    for stale in old:
        if stale.name != name or not merged["image"]:
            stale.unlink()
