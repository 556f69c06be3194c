"""Which run is the latest, wherever it was written: kept in the user's cache, by working folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from xaibench.config.urls import cache
from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.atomic import read_json, write_json
from xaibench.store.manifest import by_age

KEPT = 200
"""Working folders whose latest run is kept."""


def place() -> Path:
    """The file that says it."""
    return cache() / "latest.json"


def remember(root: Path) -> None:
    """Keep that a run directory was written to last from here, where the cache can be written."""
    with suppress(XaibenchError, OSError, RuntimeError):
        held, here = _held(), str(Path.cwd())
        held.pop(here, None)
        write_json(place(), dict([*held.items(), (here, str(root))][-KEPT:]))


def latest_run(base: Path) -> Path:
    """The run directory in which something ran last: below `base`, or written to from here.

    Raises XaibenchError where there is none.
    """
    found = by_age(base)[-1:]
    here = _held().get(str(Path.cwd()))
    if here and layout.manifests(Path(here)):
        found.append(Path(here))
    if not found:
        raise XaibenchError(f"no run below {base}; start one with `xaibench run`.")
    return max(found, key=lambda root: layout.manifests(root)[-1].name)


def _held() -> dict[str, str]:
    """The latest run by working folder, those written to last at the end."""
    with suppress(XaibenchError, OSError, RuntimeError):
        held = read_json(place())
        if isinstance(held, dict):
            return {str(folder): str(root) for folder, root in held.items()}
    return {}
