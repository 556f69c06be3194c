"""Whether run directories are of one run, by their records, and these records put together."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.atomic import read_json, read_object, write_json
from xaibench.store.catalog import declared, record
from xaibench.store.identity import unlike
from xaibench.store.images import noted
from xaibench.store.manifest import batch_size_record, identity_of, records

ALIKE = ("protocol", "classes")
"""Records that say the same wherever they are."""
NAMED = ("files", "maps")
"""Records of the user's files: by name their path, and the hash that has to be the same."""


def check_alike(sources: Sequence[Path]) -> None:
    """XaibenchError, with the differences, unless all directories are of one run."""
    first = sources[0]
    for source in sources:
        if not identity_of(source):
            raise XaibenchError(f"{source} does not say which run it is: run its command again.")
        there, here = f"in {first}", f"in {source}"
        found = unlike(identity_of(first), identity_of(source), there, here)
        sizes = batch_size_record(first), batch_size_record(source)
        if sizes[0] != sizes[1]:
            found.append(f"batch_size: {sizes[0]} {there}, {sizes[1]} {here}")
        if found:
            raise XaibenchError(f"{source} is not of the run of {first}: {'; '.join(found)}.")
    for kind in ALIKE:
        _check_same(kind, {root: _record(root, kind) for root in sources})
    subsets = {root: _record(root, "subset") for root in sources}
    _check_same("subset", {root: held and held.get("sha256") for root, held in subsets.items()})
    for kind in NAMED:
        named = {root: _record(root, kind) or {} for root in sources}
        for name in sorted({name for held in named.values() for name in held}):
            hashes = {root: held.get(name, {}).get("sha256") for root, held in named.items()}
            _check_same(f"{kind}, {name}", hashes)


def _check_same(what: str, held: Mapping[Path, Any]) -> None:
    """XaibenchError where two directories say different things; None says nothing."""
    said = [(root, value) for root, value in held.items() if value is not None]
    for root, value in said[1:]:
        if value != said[0][1]:
            raise XaibenchError(
                f"{root} is not of the run of {said[0][0]}: their manifests differ in {what}."
            )


def _record(root: Path, kind: str) -> Any:
    path = layout.manifest(root, kind)
    return read_json(path) if path.exists() else None


def join_records(sources: Sequence[Path], out: Path) -> None:
    """Write the records of all that some directories hold, with those of each process."""
    for kind in ("identity", "batch_size", "subset", *ALIKE):
        held = [path for root in sources if (path := layout.manifest(root, kind)).exists()]
        if held:
            write_json(layout.manifest(out, kind), read_json(held[0]))
    for kind in NAMED:
        named = [read_object(layout.manifest(root, kind)) for root in reversed(sources)]
        if joined := {name: one for held in named for name, one in held.items()}:
            write_json(layout.manifest(out, kind), joined)
    for root in sources:
        record(out, declared(root))
    if changed := sorted({image for root in sources for image in noted(root)}):
        write_json(layout.manifest(out, "changed"), {"images": changed})
    for path in (path for root in sources for path in layout.manifests(root)):
        _keep(path, out / layout.MANIFESTS / path.name)


def _keep(path: Path, into: Path) -> None:
    """A process's record; that of a copied directory is there already."""
    if not into.exists():
        shutil.copy2(path, into)
    elif into.read_bytes() != path.read_bytes():
        raise XaibenchError(f"{path} is another record than one of that name: rename it.")


def other_versions(sources: Sequence[Path]) -> list[str]:
    """Packages of which directories say several versions, in words."""
    found: dict[str, dict[str, None]] = {}
    for one in (one for root in sources for one in records(root)):
        for name, version in one["versions"].items():
            found.setdefault(name, {})[str(version)] = None
    return [f"{name} {', '.join(some)}" for name, some in found.items() if len(some) > 1]
