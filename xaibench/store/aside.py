"""Put files out of the way from which nothing may be read. Nothing is deleted."""

from __future__ import annotations

from pathlib import Path

from xaibench.errors import XaibenchError
from xaibench.store import layout


def set_aside(root: Path, path: Path) -> None:
    """Move a file of a run directory into its folder `set-aside`, under its path there."""
    into = root / layout.SET_ASIDE / path.relative_to(root)
    number = 1
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        while into.exists():
            into = into.with_name(f"{path.name}.{number}")
            number += 1
        path.rename(into)
    except OSError as error:
        raise XaibenchError(
            f"cannot move {path} to {into}: {error.strerror}; delete one of the two, or free space."
        ) from None
