"""What a method prepares once per run: RISE's masks, IBA's statistics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from xaibench.store.maps import checksum, plain, write_tensors
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
    write_tensors(path, held, sealed(path, origin, sha))
    return State(held, sha, origin)


def load(path: Path) -> State:
    """Read prepared tensors and verify their checksum. Raises Unsound."""
    check_regular(path)
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("xaibench")
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError):
        raise Unsound(path, DAMAGED) from None
    held: dict[str, Any] = unsealed(path, text)
    sha = checksum(tensors)
    check_content(path, held, sha)
    return State(tensors, sha, held["made"])
