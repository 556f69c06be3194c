"""The declarations that travel with a run: `manifests/catalog.json`."""

from __future__ import annotations

from pathlib import Path

from xaibench.config.catalog import Catalog, from_json
from xaibench.config.declared import of_protocol
from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.atomic import damaged, read_object, write_json


def record(root: Path, catalog: Catalog) -> None:
    """Add what a run declares to its directory; what earlier ones declared stays."""
    path = layout.manifest(root, "catalog")
    try:
        held = _declared(path)
    except XaibenchError:  # its own declarations, at least, are written anew
        held = Catalog({}, {})
    grown = catalog.over(held)
    if grown != held or not path.exists():
        write_json(path, grown.to_json())


def catalog_in(folder: Path) -> Catalog | None:
    """The declarations of a run directory, or of a folder of committed results; None elsewhere.

    What its methods and metrics declared when they ran, in front of what the installed package
    declares of all others under the protocol of the run.
    """
    protocol, published = layout.manifest(folder, "protocol"), folder / "manifest.json"
    if protocol.exists():
        return declared(folder).over(_of(protocol, None))
    if published.exists():
        return _declared(published, "catalog").over(_of(published, "protocol"))
    return None


def declared(root: Path) -> Catalog:
    """What the methods and metrics of a run directory declared when they ran; may be empty."""
    return _declared(layout.manifest(root, "catalog"))


def _declared(path: Path, key: str | None = None) -> Catalog:
    """The catalog in a JSON file, or under one of its keys; an empty one where it is not there."""
    try:
        held = read_object(path)
        return from_json((held.get(key) or {}) if key else held)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise damaged(path) from None


def _of(path: Path, key: str | None) -> Catalog:
    """What the installed package declares under the protocol in a JSON file."""
    try:
        held = read_object(path)
        return of_protocol(held[key] if key else held)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise damaged(path) from None
