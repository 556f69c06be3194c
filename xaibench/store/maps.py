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
from xaibench.store.origin import NOWHERE, Origin, from_json

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
    """Write a shard atomically, with a checksum of its tensors and ids, and its state's."""
    tensors = {"maps": plain(shard.maps.float()), EXPLAINED: plain(shard.explained)}
    tensors |= {f"scalar.{k}": plain(v.double()) for k, v in shard.scalars.items()}
    meta = {
        "format": FORMAT,
        "ids": shard.ids,
        "size": shard.size,
        "state_sha256": state_sha256,
        "origin": shard.origin.to_json(),
        "sha256": checksum(tensors, shard.ids),
    }
    # one key: safetensors writes several in random order
    text = json.dumps(meta)
    write(path, lambda file: save_file(tensors, file, metadata={"xaibench": text}))


def copy_rows(path: Path, rows: Sequence[int], into: Path) -> None:
    """Write some maps of a shard, with what made them, as another."""
    shard = load(path)
    save(into, shard.select(list(rows)), shard.state_sha256)


def plain(value: Tensor) -> Tensor:
    """A copy on the CPU with the strides that safetensors writes."""
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)


def read_ids(path: Path) -> tuple[str, ...]:
    """The image ids of a shard, from its header alone."""
    return tuple(_header(path)["ids"])


def read_origin(path: Path) -> Origin:
    """What made a shard, from its header alone."""
    return from_json(_header(path).get("origin"))


def load(path: Path) -> MapShard:
    """Read a shard and verify its checksum; XaibenchError names the file to delete."""
    meta = _header(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except (SafetensorError, OSError):
        raise _corrupt(path) from None
    ids = tuple(meta["ids"])
    if meta["sha256"] != checksum(tensors, ids):
        raise _corrupt(path)
    scalars = {k.removeprefix("scalar."): v for k, v in tensors.items() if k.startswith("scalar.")}
    height, width = meta["size"]
    made, state = from_json(meta.get("origin")), str(meta["state_sha256"])
    return MapShard(ids, tensors["maps"], tensors[EXPLAINED], (height, width), scalars, made, state)


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


def _header(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {}).get("xaibench", "{}"))
    except (SafetensorError, OSError, ValueError):
        raise _corrupt(path) from None
    if meta.get("format") != FORMAT:
        raise _corrupt(path)
    return dict(meta)


def _corrupt(path: Path) -> XaibenchError:
    return XaibenchError(f"{path} is damaged: delete it and run the same command again.")


def checksum(tensors: dict[str, Tensor], ids: tuple[str, ...] = ()) -> str:
    """SHA-256 over names, shapes, types and bytes of tensors, and the ids."""
    found = hashlib.sha256(json.dumps(ids).encode())
    for name, value in sorted(tensors.items()):
        found.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        found.update(value.numpy().tobytes())
    return found.hexdigest()
