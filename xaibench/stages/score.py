"""Maps -> one row an image and metric, stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from xaibench.config.requests import MetricRequest
from xaibench.config.variations import UNTOUCHED
from xaibench.core.explain import explainer
from xaibench.core.memory import Work, in_batches, out_of_memory
from xaibench.core.score import Scores, score, seen
from xaibench.errors import Failed, reason
from xaibench.meter import phase
from xaibench.stages.chunks import Chunks, slices
from xaibench.stages.desk import Desk
from xaibench.stages.rows import Done, write_rows
from xaibench.stages.run import Run
from xaibench.stages.unit import Places, Unit
from xaibench.store import layout, maps
from xaibench.store.maps import MapShard
from xaibench.store.origin import FOREIGN, Unsound
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


@dataclass
class Taken:
    """Scores of maps that are stored nowhere, made as these come: by target, of which images."""

    made: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    images: dict[str, set[str]] = field(default_factory=dict)


def score_taken(
    desk: Desk, unit: Unit, predictions: Predictions, taken: Taken, target: str, shard: MapShard
) -> None:
    """Score maps that are not kept with what lacks these images; adds to `taken`."""
    lacking, ids = unit.scores[target], set(shard.ids)
    row = {image: at for at, image in enumerate(shard.ids)}
    for whole in dict.fromkeys(lacking.values()):
        places = tuple(p for p in whole if desk.run.dataset.ids[p] in ids)
        if places:
            metrics = [m for m in desk.run.metrics if lacking[m.spec] == whole]
            some = shard.select([row[image] for image in desk.run.ids(places)])
            part = replace(unit, places=places)
            made, why = _score_all(
                desk, part, target, some, metrics, predictions, shard.origin.batch
            )
            taken.made += made
            taken.failed |= why
    taken.images.setdefault(target, set()).update(ids)


def score_unit(desk: Desk, unit: Unit, predictions: Predictions, taken: Taken) -> Scored:
    """Score what a unit lacks from stored maps, for every target; taken: what is scored already."""
    made, failed = taken.made, dict(taken.failed)
    unmapped: dict[str, dict[str, Places]] = {}
    for target, lacking in unit.scores.items():
        done = taken.images.get(target, set())
        for whole in dict.fromkeys(lacking.values()):
            places = tuple(p for p in whole if desk.run.dataset.ids[p] not in done)
            if not places:
                continue
            metrics = [m for m in desk.run.metrics if lacking[m.spec] == whole]
            with phase("io"):
                shard = load_maps(desk.run, replace(unit, places=places), target)
            held = set(shard.ids if shard else ())
            mapped = tuple(p for p in places if desk.run.dataset.ids[p] in held)
            left = tuple(p for p in places if desk.run.dataset.ids[p] not in held)
            unmapped.setdefault(target, {}).update(dict.fromkeys((m.spec for m in metrics), left))
            if shard is not None:
                part = replace(unit, places=mapped)
                count, why = _score_all(desk, part, target, shard, metrics, predictions)
                made += count
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


def _score_all(
    desk: Desk,
    unit: Unit,
    target: str,
    shard: MapShard,
    metrics: Sequence[MetricRequest],
    predictions: Predictions,
    fitted: int = 0,
) -> tuple[int, Mapping[str, str]]:
    """Score a target's maps slice by slice; how many scores were made, and why metrics failed.

    fitted: the batch size in which maps that are not stored were made, where memory forced one.
    """
    made, failed = 0, dict[str, str]()

    def write(parts: list[Done]) -> None:
        with phase("io"):
            write_rows(desk.run, unit, target, predictions, parts)

    with Chunks(write) as chunks:
        for rows in slices(len(shard.ids), _batch_size(desk.run, metrics, shard.size)):
            part = replace(unit, places=unit.places[rows.start : rows.stop])
            for done in _score(desk, part, target, shard.select(list(rows)), metrics, predictions):
                made += len(done.found.results) * len(done.ids)
                failed |= done.found.failed
                of = dict.fromkeys((*done.found.results, *done.found.failed), len(done.ids))
                desk.steps.did("scores", of, len(done.ids) * len(of) / len(metrics))
                limits = [limit for limit in (done.limit, fitted) if limit]
                chunks.add(replace(done, limit=min(limits, default=0)))
    desk.steps.did("scores", {}, 0)  # writing them took time too
    return made, failed


def _score(
    desk: Desk,
    unit: Unit,
    target: str,
    shard: MapShard,
    metrics: Sequence[MetricRequest],
    predictions: Predictions,
) -> Iterator[Done]:
    """Score one slice; where memory runs out, the metrics that need more in smaller pieces.

    A metric for which there is too little for one image fails for the rest of the slice.
    """
    fitting: dict[int, list[MetricRequest]] = {}
    for metric in metrics:
        limit = desk.run.room.limit(_work(unit, metric, shard.size))
        fitting.setdefault(limit, []).append(metric)
    count = len(shard.ids)
    for limit, some in fitting.items():
        start = 0
        while some and start < count:
            stop = min(start + (limit or count), count)
            piece = shard.select(list(range(start, stop)))
            part = replace(unit, places=unit.places[start:stop])
            found = _scores(desk, part, target, piece, some, predictions, limit)
            yield Done(piece.ids, piece.explained, replace(found, short={}), limit)
            again, failed = _halved(desk.run, unit, found.short, some, shard.size, limit)
            some = [m for m in some if m.spec not in found.short]
            rest = shard.select(list(range(start, count)))
            if failed:
                yield Done(rest.ids, rest.explained, Scores({}, failed), limit)
            if again:
                part = replace(unit, places=unit.places[start:])
                yield from _score(desk, part, target, rest, again, predictions)
            start = stop


def _scores(
    desk: Desk,
    unit: Unit,
    target: str,
    shard: MapShard,
    metrics: Sequence[MetricRequest],
    predictions: Predictions,
    limit: int,
) -> Scores:
    """The metrics on a few images at once."""
    try:
        seen_ = scoring(desk, unit, target, shard, metrics, predictions, limit=limit)
        return score(seen_, metrics)
    except Failed as error:
        return Scores({}, {m.spec: str(error) for m in metrics})
    except Exception as error:
        if not out_of_memory(error):
            raise
        return Scores({}, {}, dict.fromkeys((m.spec for m in metrics), reason(error)))


def _halved(
    run: Run,
    unit: Unit,
    short: Mapping[str, str],
    metrics: Sequence[MetricRequest],
    size: tuple[int, int],
    limit: int,
) -> tuple[list[MetricRequest], dict[str, str]]:
    """The metrics that go on in half the batch, and why the others cannot."""
    again, failed = [], {}
    for metric in (m for m in metrics if m.spec in short):
        batch = limit or _batch_size(run, metrics, size)
        try:
            run.room.halve(_work(unit, metric, size), batch, short[metric.spec])
            again.append(metric)
        except Failed as failure:
            failed[metric.spec] = str(failure)
    return again, failed


def _work(unit: Unit, metric: MetricRequest, size: tuple[int, int]) -> Work:
    """A metric by what its memory depends on."""
    of = unit.method.spec if "explain" in metric.needs else ""
    return f"score {metric.entry.key} {of}", *size


def heavy(metrics: Sequence[MetricRequest]) -> bool:
    """Whether any metric needs the network."""
    return bool({need for m in metrics for need in m.needs} - {"boxes"})


def _batch_size(run: Run, metrics: Sequence[MetricRequest], size: tuple[int, int]) -> int:
    """Inputs in a forward pass, where memory holds as many."""
    return run.classifier.rows_at(size) if heavy(metrics) else run.batch_size


def scoring(
    desk: Desk,
    unit: Unit,
    target: str,
    shard: MapShard,
    metrics: Sequence[MetricRequest],
    predictions: Predictions,
    *,
    explained: bool = False,
    limit: int = 0,
) -> Scoring:
    """What the metrics see; the network and the images only where a metric needs them.

    explained: whether it can explain other inputs, as where a metric needs that. limit: the batch
    size where memory holds no more.
    """
    run, ids = desk.run, shard.ids
    needs = {need for m in metrics for need in m.needs} | ({"explain"} if explained else set())
    fed = explained or heavy(metrics)
    if fed:
        batch = desk.batch(unit.places, predictions, (target,), unit.variation)
        ctx = run.context_for(batch.size, unit.variation, unit.method)
    else:
        blank = torch.zeros(1).expand(len(ids), 3, *shard.size)
        classes = predictions.classes(ids, target)[:, None]
        batch = Batch(ids, blank, predictions.labels(ids), classes, (target,), unit.places)
        ctx = run.light_context
    if limit:
        ctx = in_batches(ctx, limit, batch.size)
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
        shared=desk.memo(ids, unit.variation) if fed else None,
        extras=extras,
    )
