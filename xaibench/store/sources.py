"""Which of the user's own files a run's methods and metrics come from: manifests/files.json.

Results are stored under a file's name, without its folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.atomic import damaged, read_object, write_json


def files_of(root: Path) -> dict[str, str]:
    """The files of a run directory: paths by file name."""
    return {name: str(one["path"]) for name, one in _held(root).items()}


def check_files(root: Path, files: Mapping[str, str]) -> None:
    """XaibenchError where the directory holds results of another file of the same name.

    A file that was moved, or mended where it lies, is the same one.
    """
    held = _held(root)
    for name, path in files.items():
        known = held.get(name, {"path": path})
        if known["path"] != path and known["sha256"] != _sha256(path):
            raise XaibenchError(
                f"{root} holds results of {known['path']}, and {path} is another file of that "
                "name: rename it, or choose another --out."
            )


def claim_files(root: Path, files: Mapping[str, str]) -> None:
    """Note the files that results come from; raises as `check_files` does."""
    check_files(root, files)
    held = _held(root)
    now = held | {name: {"path": path, "sha256": _sha256(path)} for name, path in files.items()}
    if now != held:
        write_json(layout.manifest(root, "files"), now)


def claim_maps(root: Path, name: str, path: Path, sha256: str) -> None:
    """Note under which name maps of a file, made elsewhere, are kept: manifests/maps.json."""
    held = made_elsewhere(root)
    now = held | {name: {"path": str(path), "sha256": sha256}}
    if now != held:
        write_json(layout.manifest(root, "maps"), now)


def made_elsewhere(root: Path) -> dict[str, dict[str, str]]:
    """Where the maps of a run directory that were made elsewhere came from, by name."""
    return _paths(layout.manifest(root, "maps"))


def _held(root: Path) -> dict[str, dict[str, str]]:
    return _paths(layout.manifest(root, "files"))


def _paths(path: Path) -> dict[str, dict[str, str]]:
    """Path and hash by name, as a record has them; XaibenchError for another form."""
    held = read_object(path)
    for one in held.values():
        if not isinstance(one, dict) or {type(one.get(k)) for k in ("path", "sha256")} != {str}:
            raise damaged(path)
    return held


def _sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
