"""The declarations that travel with a run: `manifests/catalog.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xaibench.config.catalog import Catalog, from_json
from xaibench.config.declared import of_protocol
from xaibench.store import layout
from xaibench.store.atomic import read_json, write_json


def record(root: Path, catalog: Catalog) -> None:
    """Add what a run declares to its directory; what earlier ones declared stays."""
    path = layout.manifest(root, "catalog")
    held = from_json(read_json(path)) if path.exists() else Catalog({}, {})
    grown = catalog.over(held)
    if grown != held:
        write_json(path, grown.to_json())


def catalog_in(folder: Path) -> Catalog | None:
    """The declarations of a run directory, or of a folder of committed results; None elsewhere.

    What its methods and metrics declared when they ran, in front of what the installed package
    declares of all others under the protocol of the run.
    """
    written: dict[str, Any] = {}
    protocol = layout.manifest(folder, "protocol")
    if protocol.exists():
        found = of_protocol(read_json(protocol))
        held = layout.manifest(folder, "catalog")
        written = read_json(held) if held.exists() else {}
    elif (folder / "manifest.json").exists():
        manifest = read_json(folder / "manifest.json")
        found = of_protocol(manifest["protocol"])
        written = manifest.get("catalog") or {}
    else:
        return None
    return from_json(written).over(found)
