"""Saliency maps at native size in safetensors shards, checksummed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from xaibench.errors import XaibenchError
from xaibench.store.atomic import write
from xaibench.store.origin import (
    DAMAGED,
    NOWHERE,
    Origin,
    Unsound,
    check_content,
    check_regular,
    sealed,
    unsealed,
)

FORMAT = "xaibench-maps-1"
EXPLAINED = "explained_index"


@dataclass(frozen=True)
class MapShard:
    """Maps of some images for one target. maps (N, h, w) float32, explained (N,) int64.

    size: the network's input (H, W). scalars: named (N,) float64 values of the method.
    state_sha256: of what the method had prepared, as `load` found it.
    """

    ids: tuple[str, ...]
    maps: Tensor
    explained: Tensor
    size: tuple[int, int]
    scalars: dict[str, Tensor] = field(default_factory=dict)
    origin: Origin = NOWHERE
    state_sha256: str = ""

    def select(self, places: list[int]) -> MapShard:
        """Some of the images, in the order given."""
        return replace(
            self,
            ids=tuple(self.ids[p] for p in places),
            maps=self.maps[places],
            explained=self.explained[places],
            scalars={name: value[places] for name, value in self.scalars.items()},
        )


def save(path: Path, shard: MapShard, state_sha256: str = "") -> None:
    """Write a shard atomically, with a checksum of all it holds, and its state's."""
    tensors = {"maps": plain(shard.maps.float()), EXPLAINED: plain(shard.explained)}
    tensors |= {f"scalar.{k}": plain(v.double()) for k, v in shard.scalars.items()}
    more = {"format": FORMAT, "ids": shard.ids, "size": shard.size, "state_sha256": state_sha256}
    text = sealed(path, shard.origin, checksum(tensors, shard.ids), **more)
    write_tensors(path, tensors, text)


def write_tensors(path: Path, tensors: dict[str, Tensor], text: str) -> None:
    """Write tensors atomically, with what they say of themselves. Raises XaibenchError."""

    def save(file: Path) -> None:
        try:  # one key: safetensors writes several in random order
            save_file(tensors, file, metadata={"xaibench": text})
        except SafetensorError as error:
            raise OSError(str(error)) from None

    write(path, save)


def copy_rows(path: Path, rows: Sequence[int], into: Path) -> None:
    """Write some maps of a shard, with what made them, as another."""
    shard = load(path)
    save(into, shard.select(list(rows)), shard.state_sha256)


def plain(value: Tensor) -> Tensor:
    """A copy on the CPU with the strides that safetensors writes."""
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)


def read_ids(path: Path) -> tuple[str, ...]:
    """The image ids of a shard, from its header alone."""
    return tuple(header(path)["ids"])


def read_origin(path: Path) -> Origin:
    """What made a shard, from its header alone."""
    made: Origin = header(path)["made"]
    return made


def load(path: Path) -> MapShard:
    """Read a shard and verify its checksum. Raises Unsound."""
    meta = header(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError):
        raise Unsound(path, DAMAGED) from None
    ids = tuple(meta["ids"])
    check_content(path, meta, checksum(tensors, ids))
    scalars = {k.removeprefix("scalar."): v for k, v in tensors.items() if k.startswith("scalar.")}
    height, width = meta["size"]
    more = (tensors["maps"], tensors[EXPLAINED], (height, width), scalars)
    return MapShard(ids, *more, meta["made"], str(meta["state_sha256"]))


def join(shards: Sequence[MapShard], ids: Sequence[str]) -> MapShard | None:
    """Shards put together, with the wanted ids in their order; None where there are none.

    Raises XaibenchError where the maps have different sizes or values beside them.
    """
    asked = set(ids)
    rows = [[row for row, image in enumerate(s.ids) if image in asked] for s in shards]
    parts = [shard.select(some) for shard, some in zip(shards, rows, strict=True) if some]
    if not parts:
        return None
    first = parts[0]
    if len({(s.maps.shape[1:], s.size, frozenset(s.scalars)) for s in parts}) > 1:
        raise XaibenchError(
            "old and new maps of one method differ in form: run without --keep-stale."
        )
    whole = replace(
        first,
        ids=tuple(i for s in parts for i in s.ids),
        maps=torch.cat([s.maps for s in parts]),
        explained=torch.cat([s.explained for s in parts]),
        scalars={k: torch.cat([s.scalars[k] for s in parts]) for k in first.scalars},
    )
    where = {image: row for row, image in enumerate(whole.ids)}
    return whole.select([where[image] for image in ids if image in where])


def header(path: Path) -> dict[str, Any]:
    """What a shard says of itself: ids, size, state_sha256, and its Origin as `made`."""
    check_regular(path)
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("xaibench")
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError):
        raise Unsound(path, DAMAGED) from None
    meta = unsealed(path, text)
    if meta.get("format") != FORMAT:
        raise Unsound(path, DAMAGED)
    return meta


def checksum(tensors: dict[str, Tensor], ids: tuple[str, ...] = ()) -> str:
    """SHA-256 over names, shapes, types and bytes of tensors, and the ids."""
    found = hashlib.sha256(json.dumps(ids).encode())
    for name, value in sorted(tensors.items()):
        found.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        found.update(value.numpy().tobytes())
    return found.hexdigest()
