"""Put files out of the way from which nothing may be read. Nothing is deleted."""

from __future__ import annotations

from pathlib import Path

from xaibench.store import layout


def set_aside(root: Path, path: Path) -> None:
    """Move a file of a run directory into its folder `set-aside`, under its path there."""
    into = root / layout.SET_ASIDE / path.relative_to(root)
    into.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while into.exists():
        into = into.with_name(f"{path.name}.{number}")
        number += 1
    path.rename(into)
