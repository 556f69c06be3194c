"""Saliency maps at native size in safetensors shards, checksummed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from xaibench.errors import XaibenchError
from xaibench.store.atomic import encode, write

FORMAT = "xaibench-maps-1"
EXPLAINED = "explained_index"


@dataclass(frozen=True)
class MapShard:
    """Maps of some images for one target. maps (N, h, w) float32, explained (N,) int64.

    size: the network's input (H, W). scalars: named (N,) float64 values of the method.
    """

    ids: tuple[str, ...]
    maps: Tensor
    explained: Tensor
    size: tuple[int, int]
    scalars: dict[str, Tensor] = field(default_factory=dict)

    def select(self, places: list[int]) -> MapShard:
        """Some of the images, in the order given."""
        return MapShard(
            tuple(self.ids[p] for p in places),
            self.maps[places],
            self.explained[places],
            self.size,
            {name: value[places] for name, value in self.scalars.items()},
        )


def folder(root: Path, method: str, target: str, transform: str, variation: str) -> Path:
    """Where a method's maps for a target and transform lie below a run."""
    return root / "maps" / encode(method) / encode(target) / encode(transform) / encode(variation)


def save(path: Path, shard: MapShard, state_sha256: str = "") -> None:
    """Write a shard atomically, with a checksum of its tensors and ids, and its state's."""
    tensors = {"maps": shard.maps.float().contiguous().cpu(), EXPLAINED: shard.explained.cpu()}
    tensors |= {f"scalar.{k}": v.double().contiguous().cpu() for k, v in shard.scalars.items()}
    ids = json.dumps(shard.ids)
    meta = {
        "format": FORMAT,
        "ids": ids,
        "size": json.dumps(shard.size),
        "state_sha256": state_sha256,
        "sha256": checksum(tensors, ids),
    }
    write(path, lambda file: save_file(tensors, file, metadata=meta))


def read_ids(path: Path) -> tuple[str, ...]:
    """The image ids of a shard, from its header alone."""
    return tuple(json.loads(_header(path)["ids"]))


def load(path: Path) -> MapShard:
    """Read a shard and verify its checksum; XaibenchError names the file to delete."""
    meta = _header(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except (SafetensorError, OSError):
        raise _corrupt(path) from None
    if meta.get("sha256") != checksum(tensors, meta["ids"]):
        raise _corrupt(path)
    scalars = {k.removeprefix("scalar."): v for k, v in tensors.items() if k.startswith("scalar.")}
    height, width = json.loads(meta["size"])
    ids = tuple(json.loads(meta["ids"]))
    return MapShard(ids, tensors["maps"], tensors[EXPLAINED], (height, width), scalars)


def _header(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
    except (SafetensorError, OSError):
        raise _corrupt(path) from None
    if meta.get("format") != FORMAT:
        raise _corrupt(path)
    return dict(meta)


def _corrupt(path: Path) -> XaibenchError:
    return XaibenchError(f"{path} is damaged: delete it and run the same command again.")


def checksum(tensors: dict[str, Tensor], ids: str = "") -> str:
    """SHA-256 over names, shapes, types and bytes of tensors, and the ids."""
    found = hashlib.sha256(ids.encode())
    for name, value in sorted(tensors.items()):
        found.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        found.update(value.contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
