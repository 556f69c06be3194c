"""What a method prepares once per run: RISE's masks, IBA's statistics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from xaibench.errors import XaibenchError
from xaibench.store.atomic import encode, write
from xaibench.store.maps import checksum, plain


@dataclass(frozen=True)
class State:
    """Prepared tensors with their checksum, which every map made from them carries."""

    tensors: dict[str, Tensor]
    sha256: str


def state_path(root: Path, method: str, subset: str = "") -> Path:
    """Where a method's state lies; subset: the hash of the images it comes from, '' for all."""
    of = f"@{subset[:16]}" if subset else ""
    return root / "state" / f"{encode(method)}{of}.safetensors"


def save(path: Path, tensors: dict[str, Tensor]) -> State:
    """Write prepared tensors atomically with their checksum."""
    held = {name: plain(value) for name, value in tensors.items()}
    sha = checksum(held)
    write(path, lambda file: save_file(held, file, metadata={"sha256": sha}))
    return State(held, sha)


def load(path: Path) -> State:
    """Read prepared tensors; XaibenchError where they do not match their checksum."""
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except (SafetensorError, OSError):
        meta, tensors = {}, {}
    sha = checksum(tensors)
    if not tensors or meta.get("sha256") != sha:
        raise XaibenchError(f"{path} is damaged: delete it and run the same command again.")
    return State(tensors, sha)
