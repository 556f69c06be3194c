"""What a run directory holds, how large it is, and what can be had again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from xaibench.store.layout import MANIFESTS

PARTS = (
    ("maps", "maps", "safe: scores stay; computed again where a new metric needs them"),
    ("normalized", "maps", "safe: `xaibench normalize` writes them again"),
    ("state", "maps", "safe: masks and statistics, computed again from the seed"),
    ("predictions", "keep", "keep: small, and every stage reads them"),
    ("scores", "scores", "the results: computing them again takes the whole run"),
    ("report", "scores", "safe: `xaibench report` writes it again"),
    ("failures", "keep", "keep: which images were left out, and why"),
    (MANIFESTS, "keep", "keep: how the numbers were made"),
)


@dataclass(frozen=True)
class Holding:
    """One part of a run directory."""

    name: str
    kind: str
    files: int
    size: str
    advice: str


def holdings(directory: Path) -> list[Holding]:
    """The parts that exist, with their size."""
    found = []
    for name, kind, advice in PARTS:
        files = [p for p in (directory / name).rglob("*") if p.is_file()]
        if files:
            total = sum(p.stat().st_size for p in files)
            found.append(Holding(name, kind, len(files), human(total), advice))
    return found


def remove(directory: Path, chosen: list[Holding]) -> None:
    """Delete parts of a run directory."""
    for item in chosen:
        shutil.rmtree(directory / item.name)


def human(size: float) -> str:
    """A number of bytes to read."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
