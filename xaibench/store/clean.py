"""What a run directory holds, how large it is, and what can be had again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xaibench.store import layout
from xaibench.store.layout import MANIFESTS, SET_ASIDE

PARTS = (
    ("maps", "maps", "safe: scores stay; computed again where a new metric needs them"),
    ("normalized", "maps", "safe: `xaibench normalize` writes them again"),
    ("state", "maps", "safe: masks and statistics, computed again from the seed"),
    ("predictions", "keep", "keep: small, and every stage reads them"),
    ("scores", "scores", "the results: computing them again takes the whole run"),
    ("report", "scores", "safe: `xaibench report` writes it again"),
    ("profile", "scores", "safe: what --profile recorded of how the time was spent"),
    ("failures", "keep", "keep: which images were left out, and why"),
    (SET_ASIDE, "keep", "safe: files that were damaged or another run's"),
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


def remove(directory: Path, chosen: Sequence[Holding], keep: str = "none") -> list[Path]:
    """Delete parts of a run directory, but for files that are not its own; returns these.

    keep: the suffix of files that stay. In the order of PARTS, and what says whose the directory is
    at last: a kill leaves no results of nobody.
    """
    return sorted(path for item in chosen for path in clear(directory, directory / item.name, keep))


def clear(directory: Path, below: Path, keep: str = "none") -> list[Path]:
    """Delete what runs put below a folder of a run directory; returns what else lies there."""
    left = []
    last = layout.manifest(directory, "identity").name
    for folder, _, names in os.walk(below, topdown=False):
        for path in (Path(folder) / name for name in sorted(names, key=last.__eq__)):
            if not layout.ours(directory, path):
                left.append(path)
            elif path.suffix != keep:
                path.unlink()
        with suppress(OSError):  # not empty
            Path(folder).rmdir()
    return left


def human(size: float) -> str:
    """A number of bytes to read."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
