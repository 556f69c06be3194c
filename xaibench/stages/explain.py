"""Method -> native maps of a unit's images, stored."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from xaibench.config.variations import cut
from xaibench.core.explain import explain
from xaibench.stages.desk import Desk
from xaibench.stages.unit import Places, Unit
from xaibench.store import layout, maps
from xaibench.store.ledger import give_way
from xaibench.store.predictions import Predictions
from xaibench.types import Explanation


def explain_unit(desk: Desk, unit: Unit, predictions: Predictions) -> None:
    """Compute the maps that a unit lacks and write one shard a target. Raises Failed."""
    if not unit.lacking_maps:
        return
    state = desk.state(unit.method, unit.variation)
    tensors = state.tensors if state else None
    for places in dict.fromkeys(places for places in unit.maps.values() if places):
        targets = tuple(t for t, lacking in unit.maps.items() if lacking == places)
        shards = _explain_all(desk, unit, predictions, targets, places, tensors)
        for target, shard in zip(targets, shards, strict=True):
            folder = unit.key.maps(desk.run.root, target)
            give_way(folder, layout.MAPS, unit.block, shard.ids, unit.code)
            name = layout.block_name(unit.block, shard.ids, unit.code)
            maps.save(folder / f"{name}{layout.MAPS}", shard, state.sha256 if state else "")


def _explain_all(
    desk: Desk,
    unit: Unit,
    predictions: Predictions,
    targets: tuple[str, ...],
    wanted: Places,
    state: dict[str, Tensor] | None,
) -> list[maps.MapShard]:
    """One shard a target with the maps of the wanted images."""
    run, parts = desk.run, []
    ids: list[str] = []
    height, width = desk.images.inputs(unit.places[:1], unit.variation).shape[-2:]
    ctx = run.context_for((height, width), unit.variation, unit.method)
    for places in _batches(desk, wanted, ctx.batch_size, ctx.group_size):
        rows = [row for row, place in enumerate(places) if place in set(wanted)]
        batch = desk.batch(places, predictions, targets, unit.variation)
        parts.append(_select(explain(ctx, unit.method, batch, state), rows))
        ids += [batch.ids[row] for row in rows]
    native = torch.cat([part.maps for part in parts]).cpu()
    explained = torch.cat([_explained(part) for part in parts]).cpu()
    scalars = {k: torch.cat([part.scalars[k] for part in parts]).cpu() for k in parts[0].scalars}
    return [
        maps.MapShard(
            tuple(ids),
            native[:, t],
            explained[:, t],
            (height, width),
            {k: v[:, t] for k, v in scalars.items()},
            run.origin(unit.code, unit.variation),
        )
        for t in range(len(targets))
    ]


def _batches(desk: Desk, places: Places, size: int, group: int) -> list[list[int]]:
    """Wanted images in batches; with the rest of their groups where there are any."""
    if group == 1:
        return cut([[p] for p in places], 1, size)
    return cut(desk.images.groups(places), group, -(-size // group) * group)


def _select(found: Explanation, rows: Sequence[int]) -> Explanation:
    """Some rows of an explanation, on its device."""
    if len(rows) == len(found.maps):
        return found
    scalars = {k: v[rows] for k, v in found.scalars.items()}
    return Explanation(found.maps[rows], scalars, _explained(found)[rows])


def _explained(part: Explanation) -> Tensor:
    assert part.explained is not None
    return part.explained
