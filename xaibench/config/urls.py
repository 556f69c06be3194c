"""Run directories that lie at a URL, and where this machine keeps its copy of one."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from xaibench.errors import UsageError

SCHEMES = ("s3", "gs", "file")
COPIES = "copies"
"""The folder of the cache with the copies of all URLs."""
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)")
_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")


def url_of(path: str | Path) -> str:
    """The URL that a path spells, empty for a path of this machine.

    A `Path` makes one slash of several, so that `s3:/bucket/run` spells `s3://bucket/run`. Raises
    UsageError for another scheme, and for a URL without a bucket or a folder.
    """
    found = _URL.fullmatch(str(path))
    if not found:
        return ""
    scheme, rest = found[1].lower(), str(Path(found[2]))
    if scheme not in SCHEMES:
        known = ", ".join(f"{one}://" for one in SCHEMES)
        raise UsageError(f"{scheme}://{rest} cannot be read or written: known are {known}.")
    if rest == "." or ".." in Path(rest).parts:
        raise UsageError(f"{scheme}://{found[2]} names no place: give a bucket and a path.")
    return f"{scheme}://{'/' if scheme == 'file' else ''}{rest}"


def located(path: Path) -> Path:
    """The directory on this machine that a run's files are in: the path, or the copy of a URL."""
    url = url_of(path)
    if not url:
        return path
    name = _PLAIN.sub("_", Path(url).name)[:60]
    return cache() / COPIES / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"


def cache() -> Path:
    """The user's cache: xaibench in XDG_CACHE_HOME, or in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "xaibench"
