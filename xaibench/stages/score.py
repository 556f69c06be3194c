"""Maps -> one value an image and metric, all metrics' forwards in one stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from xaibench.errors import XaibenchError
from xaibench.normalize import STATUS_NONFINITE, STATUS_OK, normalize, statuses
from xaibench.requests import MetricRequest
from xaibench.stages.drive import drive
from xaibench.stages.explain import Unit, load_unit, make_batch
from xaibench.stages.index import missing, unit_name
from xaibench.stages.predict import Predictions
from xaibench.stages.session import Session
from xaibench.store import tables
from xaibench.store.maps import MapShard
from xaibench.types import Batch, Classifier, Explain, Rows, Scoring, Values

SUFFIX = ".parquet"


def folder_keys(unit: Unit, target: str, metric: str) -> dict[str, str]:
    """The partition of a unit's scores."""
    return {
        "method": unit.method.spec,
        "target": target,
        "transform": unit.transform,
        "variation": unit.variation,
        "metric": metric,
    }


def missing_scores(session: Session, unit: Unit, target: str, metric: str) -> tuple[str, ...]:
    """The unit's images that have no score yet."""
    ids = [session.dataset.ids[p] for p in unit.places]
    place = tables.scores_folder(session.root, **folder_keys(unit, target, metric))
    return missing(place, unit.block, ids, SUFFIX, tables.read_ids).ids


def score_unit(session: Session, unit: Unit, predictions: Predictions) -> list[str]:
    """Score what a unit lacks, for every target; returns ids that had no map to score."""
    unmapped: list[str] = []
    for target in session.targets:
        lacking = {m.spec: missing_scores(session, unit, target, m.spec) for m in session.metrics}
        for ids in dict.fromkeys(ids for ids in lacking.values() if ids):
            metrics = [m for m in session.metrics if lacking[m.spec] == ids]
            wanted = set(ids)
            places = tuple(p for p in unit.places if session.dataset.ids[p] in wanted)
            part = Unit(unit.block, places, unit.method, unit.transform, unit.variation)
            shard = load_unit(session, part, target)
            held = shard.ids if shard else ()
            unmapped += [i for i in ids if i not in held]
            if shard:
                _score(session, part, target, shard, metrics, predictions)
    return unmapped


def _score(
    session: Session,
    unit: Unit,
    target: str,
    shard: MapShard,
    metrics: Sequence[MetricRequest],
    predictions: Predictions,
) -> None:
    maps = normalize(shard.maps, shard.size, unit.method.normalization)
    found = _results(session, unit, target, shard, maps, metrics, predictions)
    map_status = statuses(maps)
    fixed = {
        "image": list(shard.ids),
        "model": [session.model] * len(shard.ids),
        "dataset": [session.dataset.name] * len(shard.ids),
        "protocol": [session.protocol.name] * len(shard.ids),
        "label": predictions.labels(shard.ids).tolist(),
        "class_index": predictions.classes(shard.ids, target).tolist(),
        "explained_index": shard.explained.tolist(),
    }
    for metric in metrics:
        values, status = _status(found[metric.spec], map_status)
        place = tables.scores_folder(session.root, **folder_keys(unit, target, metric.spec))
        columns = fixed | {"status": status, "value": values}
        ordered = {name: columns[name] for name in tables.SCORES.names}
        path = place / f"{unit_name(unit.block, shard.ids)}{SUFFIX}"
        tables.save(path, ordered, tables.SCORES)


def _results(
    session: Session,
    unit: Unit,
    target: str,
    shard: MapShard,
    maps: Tensor,
    metrics: Sequence[MetricRequest],
    predictions: Predictions,
) -> dict[str, Tensor | Rows]:
    """Each metric's values by spec; keys of one function with equal options are called once."""
    base = _scoring(session, unit, target, shard, maps, metrics, predictions)
    calls: dict[str, list[MetricRequest]] = {}
    for metric in metrics:
        calls.setdefault(f"{metric.entry.key} {sorted(metric.options.items())}", []).append(metric)
    started = {}
    for name, asked in calls.items():
        mine = replace(base, wanted=frozenset(m.key for m in asked))
        started[name] = (asked[0].entry(mine, **asked[0].options), mine)
    results: dict[str, Values] = drive(started)
    found: dict[str, Tensor | Rows] = {}
    for name, asked in calls.items():
        for metric in asked:
            if metric.key not in results[name]:
                raise XaibenchError(f"metric {metric.entry.key} returned no '{metric.key}'.")
            found[metric.spec] = results[name][metric.key]
    return found


def _scoring(
    session: Session,
    unit: Unit,
    target: str,
    shard: MapShard,
    maps: Tensor,
    metrics: Sequence[MetricRequest],
    predictions: Predictions,
) -> Scoring:
    """What the metrics see; the network and the images only where a metric needs them."""
    ids = shard.ids
    needs = {need for m in metrics for need in m.needs}
    heavy = bool(needs - {"boxes"})
    if heavy:
        batch = make_batch(session, unit.places, predictions, (target,))
        ctx = session.context
    else:
        blank = torch.zeros(1).expand(len(ids), 3, *shard.size)
        classes = predictions.classes(ids, target)[:, None]
        batch = Batch(ids, blank, predictions.labels(ids), classes, (target,), unit.places)
        ctx = session.light_context
    device = batch.images.device
    return Scoring(
        batch=batch,
        maps=maps.to(device),
        target=batch.targets[:, 0],
        logit=predictions.logit(ids, target).to(device),
        probability=predictions.probability(ids, target).to(device),
        ctx=ctx,
        scalars={k: v.to(device) for k, v in shard.scalars.items()},
        native=shard.maps.to(device),
        family=str(unit.method.entry.metadata.get("family", "")),
        additive=bool(unit.method.entry.metadata.get("additive", False)),
        explain=explainer(session, unit, batch) if heavy else None,
        memo=session.memo(ids, f"{unit.transform} {unit.variation}") if heavy else None,
        extras=_extras(session, unit, ids, needs),
    )


def _extras(session: Session, unit: Unit, ids: Sequence[str], needs: set[str]) -> dict[str, object]:
    """Boxes and the subset for expensive metrics, where a metric needs them."""
    extras: dict[str, object] = {}
    if "boxes" in needs:
        extras["boxes"] = session.boxes(ids)
    if "explain" in needs:
        extras["explain_forwards"] = session.cost(unit.method).total(1)[0]
        extras["in_subset"] = torch.tensor([i in session.subset for i in ids])
    return extras


def explainer(session: Session, unit: Unit, batch: Batch) -> Explain:
    """The unit's method and normalisation on other inputs of the batch's images."""

    def explain_again(inputs: Tensor, rows: Tensor, classifier: Classifier | None = None) -> Tensor:
        ctx = session.context
        if classifier is not None:
            ctx = replace(ctx, classifier=classifier)
        places = rows.tolist()
        state = session.state(unit.method)
        perturbed = replace(
            batch,
            ids=tuple(batch.ids[i] for i in places),
            images=inputs,
            labels=batch.labels[rows],
            targets=batch.targets[rows],
            positions=tuple(batch.positions[i] for i in places),
            originals=batch.images[rows],
        )
        parts = [
            unit.method.entry(
                ctx,
                perturbed.rows(start, start + ctx.batch_size),
                state.tensors if state else None,
                **unit.method.options,
            ).maps[:, 0]
            for start in range(0, len(inputs), ctx.batch_size)
        ]
        return normalize(torch.cat(parts), batch.size, unit.method.normalization)

    return explain_again


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
