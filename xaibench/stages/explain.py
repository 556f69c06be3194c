"""Method -> native maps of a unit's images, stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from xaibench.config.run import RunConfig
from xaibench.config.variations import cut
from xaibench.core.explain import explain
from xaibench.errors import Failed
from xaibench.meter import phase
from xaibench.stages.chunks import Chunks
from xaibench.stages.desk import Desk
from xaibench.stages.sieve import Sieve
from xaibench.stages.unit import Places, Unit
from xaibench.store import layout, maps
from xaibench.store.ledger import give_way
from xaibench.store.predictions import Predictions
from xaibench.store.state import State
from xaibench.types import Context, Explanation

Take = Callable[[str, maps.MapShard], None]
"""Gets a target's maps that are not to be stored."""
Lost = Mapping[str, Mapping[int, str]]
"""Why images have no map: by target and place."""


def explain_unit(desk: Desk, unit: Unit, predictions: Predictions, take: Take) -> Lost:
    """Compute the maps that a unit lacks; write those that are kept as they come, others to `take`.

    Returns the images that the method raises for, where it does not for others. Raises Failed
    where it gives no map at all, or nothing that is one; what was written is then taken back.
    """
    lost: dict[str, Mapping[int, str]] = {}
    if not unit.lacking_maps:
        return lost
    state = desk.state(unit.method, unit.variation)
    written: list[Path] = []
    try:
        for places in dict.fromkeys(places for places in unit.maps.values() if places):
            targets = tuple(t for t, lacking in unit.maps.items() if lacking == places)
            sieve = Sieve(set(places))
            _explain_all(desk, unit, predictions, targets, places, state, sieve, written, take)
            if sieve.lost:
                lost |= dict.fromkeys(targets, sieve.lost)
        if lost and sum(map(len, lost.values())) == unit.lacking_maps:
            raise Failed(next(iter(sieve.lost.values())))
    except Failed:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return lost


@dataclass(frozen=True)
class _Done:
    """Images with their maps, on the CPU; limit: the batch size where memory forced a smaller."""

    ids: tuple[str, ...]
    found: Explanation
    limit: int


def _explain_all(
    desk: Desk,
    unit: Unit,
    predictions: Predictions,
    targets: tuple[str, ...],
    wanted: Places,
    state: State | None,
    sieve: Sieve,
    written: list[Path],
    take: Take,
) -> None:
    """Explain the wanted images a batch at a time; adds the files written, and what is lost."""
    run, asked = desk.run, sieve.asked
    height, width = desk.images.inputs(unit.places[:1], unit.variation).shape[-2:]
    ctx = run.context_for((height, width), unit.variation, unit.method)
    tensors = state.tensors if state else None

    def cut_(places: list[int], size: int) -> list[list[int]]:
        return _batches(desk, places, size, ctx.group_size)

    def maps_of(fit: Context, places: list[int]) -> tuple[list[int], Explanation | None]:
        def of(some: list[int]) -> Explanation:
            batch = desk.batch(some, predictions, targets, unit.variation)
            return explain(fit, unit.method, batch, tensors)

        alone = fit.group_size == 1
        groups = [[p] for p in places] if alone else desk.images.groups(places)
        held, found = sieve.sift(groups, of, fill=alone)
        rows = [row for row, place in enumerate(held) if place in asked]
        return [held[row] for row in rows], _select(found, rows) if found else None

    def write(parts: list[_Done]) -> None:
        for limit, some in groupby(parts, lambda part: part.limit):
            together = list(some)
            written.extend(
                _write(desk, unit, targets, together, (height, width), state, limit, take)
            )

    work = f"explain {unit.method.spec}", height, width
    with Chunks(write, quick=run.config.keep_maps == "keep") as chunks:
        for _, (held, found), limit in run.room.each(ctx, work, list(wanted), cut_, maps_of):
            if found and held:
                desk.steps.did("maps", {"": len(held) * len(targets)}, len(held))
                chunks.add(_Done(run.ids(held), found, limit))
    desk.steps.did("maps", {}, 0)  # writing them took time too


def _write(
    desk: Desk,
    unit: Unit,
    targets: tuple[str, ...],
    parts: list[_Done],
    size: tuple[int, int],
    state: State | None,
    limit: int,
    take: Take,
) -> Iterator[Path]:
    """Write one file a target, yielding each before it is written; `take` gets what is not kept."""
    ids = tuple(image for part in parts for image in part.ids)
    native = torch.cat([part.found.maps for part in parts])
    explained = torch.cat([_explained(part.found) for part in parts])
    names = parts[0].found.scalars
    scalars = {k: torch.cat([part.found.scalars[k] for part in parts]) for k in names}
    made = desk.run.origin(unit.code, unit.variation, limit)
    for t, target in enumerate(targets):
        some = {k: v[:, t] for k, v in scalars.items()}
        shard = maps.MapShard(ids, native[:, t], explained[:, t], size, some, made)
        if not stored(desk.run.config, shard.maps.shape[1:], size):
            take(target, shard)
            continue
        folder = unit.key.maps(desk.run.root, target)
        give_way(folder, layout.MAPS, unit.block, ids, unit.code)
        path = folder / f"{layout.block_name(unit.block, ids, unit.code)}{layout.MAPS}"
        yield path
        with phase("io"):
            maps.save(path, shard, state.sha256 if state else "")


def stored(config: RunConfig, native: Sequence[int], size: Sequence[int]) -> bool:
    """Whether maps of this native size (h, w) are stored, of inputs (H, W)."""
    small = native[0] * native[1] < size[0] * size[1]
    return config.keep_maps == "keep" or (config.keep_maps == "small" and small)


def _batches(desk: Desk, places: Sequence[int], size: int, group: int) -> list[list[int]]:
    """Wanted images in batches; with the rest of their groups where there are any."""
    if group == 1:
        return cut([[p] for p in places], 1, size)
    return cut(desk.images.groups(places), group, -(-size // group) * group)


def _select(found: Explanation, rows: Sequence[int]) -> Explanation:
    """Some rows of an explanation, on the CPU."""
    whole = len(rows) == len(found.maps)

    def some(value: Tensor) -> Tensor:
        return (value if whole else value[rows]).cpu()

    with phase("transfer"):
        scalars = {k: some(v) for k, v in found.scalars.items()}
        return Explanation(some(found.maps), scalars, some(_explained(found)))


def _explained(part: Explanation) -> Tensor:
    assert part.explained is not None
    return part.explained
