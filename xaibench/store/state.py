"""What a method prepares once per run: RISE's masks, IBA's statistics."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from xaibench.errors import XaibenchError
from xaibench.store.atomic import write
from xaibench.store.maps import checksum, plain
from xaibench.store.origin import NOWHERE, Origin, from_json


@dataclass(frozen=True)
class State:
    """Prepared tensors with their checksum, which every map made from them carries."""

    tensors: dict[str, Tensor]
    sha256: str
    origin: Origin = NOWHERE


def save(path: Path, tensors: dict[str, Tensor], origin: Origin) -> State:
    """Write prepared tensors atomically with their checksum."""
    held = {name: plain(value) for name, value in tensors.items()}
    sha = checksum(held)
    meta = {"xaibench": json.dumps({"sha256": sha, "origin": origin.to_json()})}
    write(path, lambda file: save_file(held, file, metadata=meta))  # one key: a fixed order
    return State(held, sha, origin)


def load(path: Path) -> State:
    """Read prepared tensors; XaibenchError where they do not match their checksum."""
    meta, tensors = _read(path, whole=True)
    sha = checksum(tensors)
    if not tensors or meta.get("sha256") != sha:
        raise XaibenchError(f"{path} is damaged: delete it and run the same command again.")
    return State(tensors, sha, from_json(meta.get("origin")))


def read_origin(path: Path) -> Origin:
    """What made prepared tensors, from the file's header alone; an empty one where damaged."""
    return from_json(_read(path, whole=False)[0].get("origin"))


def _read(path: Path, whole: bool) -> tuple[dict[str, str], dict[str, Tensor]]:
    """What a file says of itself, with its tensors if the whole is asked; {} where damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {}).get("xaibench", "{}"))
            return meta, {key: file.get_tensor(key) for key in file.keys()} if whole else {}
    except (SafetensorError, OSError, ValueError):
        return {}, {}
