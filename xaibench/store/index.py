"""Which images a folder of unit files already holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xaibench.store.atomic import read_json

ReadIds = Callable[[Path], tuple[str, ...]]


def unit_name(block: int, ids: Sequence[str]) -> str:
    """The stem of a unit's file: its block and a digest of its images."""
    digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:8]
    return f"{block:05d}-{digest}"


def block_files(folder: Path, block: int, suffix: str, prefix: str = "") -> list[Path]:
    """The files of a block, in a fixed order."""
    return sorted(folder.glob(f"{prefix}{block:05d}-*{suffix}"))


def unreadable(root: Path, block: int) -> dict[str, str]:
    """Images of a block that could not be decoded when the run met them, with the reason."""
    found: dict[str, str] = {}
    for path in block_files(root / "failures", block, ".json"):
        found |= {row["image"]: row["reason"] for row in read_json(path)["unreadable"]}
    return found


@dataclass(frozen=True)
class Missing:
    """What of a block a folder lacks: ids in the order asked."""

    ids: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.ids)


def missing(folder: Path, block: int, ids: Sequence[str], suffix: str, read: ReadIds) -> Missing:
    """The ids that no file of the block holds; a file of exactly these ids is not opened."""
    if not ids or (folder / f"{unit_name(block, ids)}{suffix}").exists():
        return Missing(())
    held: set[str] = set()
    for path in block_files(folder, block, suffix):
        held.update(read(path))
    return Missing(tuple(i for i in ids if i not in held))
