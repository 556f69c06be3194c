"""Method -> native maps of some images, checked and stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from xaibench.config.requests import MethodRequest
from xaibench.config.variations import UNTOUCHED, Variation, cut
from xaibench.errors import Failed, XaibenchError, reason
from xaibench.stages.predict import Predictions
from xaibench.stages.session import Session
from xaibench.store import maps as store
from xaibench.store.index import block_files, missing, unit_name
from xaibench.types import Batch, Context, Explanation

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Unit:
    """The chosen readable images of one aligned block, under one method and variation."""

    block: int
    places: tuple[int, ...]
    method: MethodRequest
    variation: Variation = UNTOUCHED

    def folder(self, root: Path, target: str) -> Path:
        """Where the unit's maps for a target lie."""
        view = self.variation
        return store.folder(root, self.method.spec, target, view.transform, view.name)


def missing_maps(session: Session, unit: Unit, target: str) -> tuple[str, ...]:
    """The unit's images that have no map for a target yet."""
    ids = [session.dataset.ids[p] for p in unit.places]
    place = unit.folder(session.root, target)
    return missing(place, unit.block, ids, SUFFIX, store.read_ids).ids


def make_batch(
    session: Session,
    places: Sequence[int],
    predictions: Predictions,
    targets: tuple[str, ...],
    variation: Variation = UNTOUCHED,
) -> Batch:
    """The inputs at some places with their target classes, on the device."""
    images = session.images.inputs(places, variation)
    ids = tuple(session.dataset.ids[p] for p in places)
    classes = torch.stack([predictions.classes(ids, t) for t in targets], 1)
    device = session.device
    return Batch(
        ids,
        images.to(device, non_blocking=True, copy=True),  # what a plug-in does to it stays its own
        predictions.labels(ids).to(device),
        classes.to(device),
        targets,
        tuple(places),
    )


def explain(
    ctx: Context, method: MethodRequest, batch: Batch, state: dict[str, Tensor] | None
) -> Explanation:
    """Run a method on a batch and check shapes; maps come back (B, T, h, w) float32.

    Raises Failed where the method raises or returns something else.
    """
    own = copied(state)
    asked = batch.targets.clone()
    try:
        found = method.entry(ctx, batch, own, **method.options)
        wrong = _wrong(found, asked.shape)
        if wrong:
            raise Failed(f"method {method.spec} returned {wrong}")
        return Explanation(
            found.maps.detach().float(),
            {k: v.detach().double() for k, v in found.scalars.items()},
            asked if found.explained is None else found.explained,
        )
    except Failed:
        raise
    except Exception as error:
        raise Failed(reason(error)) from error


def copied(state: dict[str, Tensor] | None) -> dict[str, Tensor] | None:
    """Prepared tensors as a method gets them: what it writes there reaches no other call."""
    return {name: value.clone() for name, value in state.items()} if state else state


def _wrong(found: object, expected: torch.Size) -> str:
    """What is wrong with a method's result; empty where nothing is. expected: (B, T)."""
    if not isinstance(found, Explanation):
        return f"{type(found).__name__}; expected an Explanation."
    if found.maps.dim() != 4 or found.maps.shape[:2] != expected:
        return (
            f"maps of shape {tuple(found.maps.shape)}; "
            f"expected (B, T, h, w) = {(*expected, 'h', 'w')}."
        )
    more = {**found.scalars, "explained": found.explained}
    for name, value in more.items():
        if value is not None and value.shape != expected:
            return f"{name} of shape {tuple(value.shape)}; expected (B, T) = {tuple(expected)}."
    return ""


def explain_unit(
    session: Session, unit: Unit, predictions: Predictions, needed: Mapping[str, tuple[str, ...]]
) -> None:
    """Compute the maps that a unit needs, ids by target, and write one shard a target.

    Raises Failed.
    """
    if not any(needed.values()):
        return
    state = session.state(unit.method, unit.variation)
    tensors = state.tensors if state else None
    for ids in dict.fromkeys(ids for ids in needed.values() if ids):
        targets = tuple(t for t in session.targets if needed[t] == ids)
        shards = _explain_all(session, unit, predictions, targets, frozenset(ids), tensors)
        for target, shard in zip(targets, shards, strict=True):
            name = f"{unit_name(unit.block, shard.ids)}{SUFFIX}"
            path = unit.folder(session.root, target) / name
            store.save(path, shard, state.sha256 if state else "")


def _batches(
    session: Session, unit: Unit, wanted: frozenset[str], size: int, group: int
) -> list[list[int]]:
    """The places of wanted images in batches; with the rest of their groups where there are any."""
    places = [p for p in unit.places if session.dataset.ids[p] in wanted]
    if group == 1:
        return cut([[p] for p in places], 1, size)
    return cut(session.images.groups(places), group, -(-size // group) * group)


def _explain_all(
    session: Session,
    unit: Unit,
    predictions: Predictions,
    targets: tuple[str, ...],
    wanted: frozenset[str],
    state: dict[str, Tensor] | None,
) -> list[store.MapShard]:
    """One shard a target with the maps of the wanted images."""
    parts: list[tuple[list[str], Explanation]] = []
    size = session.images.inputs(unit.places[:1], unit.variation).shape[-2:]
    ctx = session.context_for((size[0], size[1]), unit.variation, unit.method)
    for places in _batches(session, unit, wanted, ctx.batch_size, ctx.group_size):
        rows = [i for i, p in enumerate(places) if session.dataset.ids[p] in wanted]
        batch = make_batch(session, places, predictions, targets, unit.variation)
        found = explain(ctx, unit.method, batch, state)
        parts.append(([batch.ids[i] for i in rows], _select(found, rows)))
    maps = torch.cat([part.maps for _, part in parts]).cpu()
    explained = torch.cat([_explained(part) for _, part in parts]).cpu()
    names = parts[0][1].scalars
    scalars = {k: torch.cat([part.scalars[k] for _, part in parts]).cpu() for k in names}
    return [
        store.MapShard(
            tuple(i for ids, _ in parts for i in ids),
            maps[:, t],
            explained[:, t],
            (size[0], size[1]),
            {k: v[:, t] for k, v in scalars.items()},
            session.mark(unit.variation),
        )
        for t in range(len(targets))
    ]


def _select(found: Explanation, rows: list[int]) -> Explanation:
    """Some rows of an explanation, on its device."""
    if len(rows) == len(found.maps):
        return found
    scalars = {k: v[rows] for k, v in found.scalars.items()}
    return Explanation(found.maps[rows], scalars, _explained(found)[rows])


def _explained(part: Explanation) -> Tensor:
    assert part.explained is not None
    return part.explained


def load_unit(session: Session, unit: Unit, target: str) -> store.MapShard | None:
    """The stored maps of a unit's images, in the unit's order; images without one left out.

    Raises XaibenchError for maps of transformed inputs in groups of another subset.
    """
    paths = block_files(unit.folder(session.root, target), unit.block, SUFFIX)
    shards = [store.load(path) for path in paths]
    for path, shard in zip(paths, shards, strict=True):
        if shard.subset != session.mark(unit.variation):
            raise XaibenchError(
                f"{path} is of another subset than this run's groups: delete it and run again."
            )
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
        shards[0].subset,
    )
    return whole.select([starts[s] + row for s, row in wanted])
