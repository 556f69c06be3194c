"""Method -> native maps of some images, checked and stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from xaibench.errors import XaibenchError
from xaibench.requests import MethodRequest
from xaibench.stages.index import block_files, missing, unit_name
from xaibench.stages.predict import Predictions
from xaibench.stages.session import Session
from xaibench.store import maps as store
from xaibench.types import Batch, Explanation

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Unit:
    """Some images of one aligned block, under one method and transform variation."""

    block: int
    places: tuple[int, ...]
    method: MethodRequest
    transform: str = "none"
    variation: str = "none"

    def folder(self, root: Path, target: str) -> Path:
        """Where the unit's maps for a target lie."""
        return store.folder(root, self.method.spec, target, self.transform, self.variation)


def missing_maps(session: Session, unit: Unit, target: str) -> tuple[str, ...]:
    """The unit's images that have no map for a target yet."""
    ids = [session.dataset.ids[p] for p in unit.places]
    place = unit.folder(session.root, target)
    return missing(place, unit.block, ids, SUFFIX, store.read_ids).ids


def make_batch(
    session: Session, places: Sequence[int], predictions: Predictions, targets: tuple[str, ...]
) -> Batch:
    """The images at some places with their target classes, on the device."""
    _, images, failures = session.read(places)
    if failures:
        first = failures[0]
        raise XaibenchError(
            f"{first.image} was readable before and is not now ({first.reason}): run again."
        )
    ids = tuple(session.dataset.ids[p] for p in places)
    classes = torch.stack([predictions.classes(ids, t) for t in targets], 1)
    device = session.device
    return Batch(
        ids,
        images.to(device, non_blocking=True),
        predictions.labels(ids).to(device),
        classes.to(device),
        targets,
        tuple(places),
    )


def explain(session: Session, method: MethodRequest, batch: Batch, state: object) -> Explanation:
    """Run a method on a batch and check shapes; maps come back (B, T, h, w) float32.

    Raises XaibenchError where the method returns something else.
    """
    found = method.entry(session.context, batch, state, **method.options)
    expected = batch.targets.shape
    if found.maps.dim() != 4 or found.maps.shape[:2] != expected:
        raise XaibenchError(
            f"method {method.spec} returned maps of shape {tuple(found.maps.shape)}; "
            f"expected (B, T, h, w) = {(*expected, 'h', 'w')}."
        )
    return Explanation(
        found.maps.detach().float(),
        {k: v.detach().double() for k, v in found.scalars.items()},
        batch.targets if found.explained is None else found.explained,
    )


def explain_unit(session: Session, unit: Unit, predictions: Predictions) -> None:
    """Compute what a unit lacks and write one shard a target."""
    lacking = {t: missing_maps(session, unit, t) for t in session.targets}
    for ids in dict.fromkeys(ids for ids in lacking.values() if ids):
        targets = tuple(t for t in session.targets if lacking[t] == ids)
        wanted = set(ids)
        places = [p for p in unit.places if session.dataset.ids[p] in wanted]
        batch = make_batch(session, places, predictions, targets)
        state = session.state(unit.method)
        shards = _explain_all(session, unit.method, batch, state.tensors if state else None)
        for target, shard in zip(targets, shards, strict=True):
            name = f"{unit_name(unit.block, shard.ids)}{SUFFIX}"
            path = unit.folder(session.root, target) / name
            store.save(path, shard, state.sha256 if state else "")


def _explain_all(
    session: Session, method: MethodRequest, batch: Batch, state: dict[str, Tensor] | None
) -> list[store.MapShard]:
    step = session.batch_size
    parts = [
        explain(session, method, batch.rows(start, start + step), state)
        for start in range(0, len(batch), step)
    ]
    maps = torch.cat([p.maps for p in parts]).cpu()
    explained = torch.cat([_explained(p) for p in parts]).cpu()
    scalars = {k: torch.cat([p.scalars[k] for p in parts]).cpu() for k in parts[0].scalars}
    return [
        store.MapShard(
            batch.ids,
            maps[:, t],
            explained[:, t],
            batch.size,
            {k: v[:, t] for k, v in scalars.items()},
        )
        for t in range(maps.shape[1])
    ]


def _explained(part: Explanation) -> Tensor:
    assert part.explained is not None
    return part.explained


def load_unit(session: Session, unit: Unit, target: str) -> store.MapShard | None:
    """The stored maps of a unit's images, in the unit's order; images without one left out."""
    shards = [
        store.load(path)
        for path in block_files(unit.folder(session.root, target), unit.block, SUFFIX)
    ]
    return join(shards, [session.dataset.ids[p] for p in unit.places])


def join(shards: Sequence[store.MapShard], ids: Sequence[str]) -> store.MapShard | None:
    """Shards put together, with the wanted ids in their order; None where there are none."""
    places = {i: (s, row) for s, shard in enumerate(shards) for row, i in enumerate(shard.ids)}
    wanted = [places[i] for i in ids if i in places]
    if not wanted:
        return None
    starts = [0]
    for shard in shards:
        starts.append(starts[-1] + len(shard.ids))
    whole = store.MapShard(
        tuple(i for shard in shards for i in shard.ids),
        torch.cat([s.maps for s in shards]),
        torch.cat([s.explained for s in shards]),
        shards[0].size,
        {k: torch.cat([s.scalars[k] for s in shards]) for k in shards[0].scalars},
    )
    return whole.select([starts[s] + row for s, row in wanted])
