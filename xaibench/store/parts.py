"""The parts of a run that lies at a URL: which files it has, and under which keys.

One object at the URL, `parts.parquet`, lists them all. What it does not list is not there: so a
run is taken up without a listing of its keys, which may be a hundred thousand.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xaibench.store import layout

LIST = "parts.parquet"
HERE = {"normalized", layout.SET_ASIDE}
"""Folders of a run directory that stay on the machine that made them; of pages, see PAGES."""
PAGES, KEPT = "report", "check"
"""Of the first only the second is more than what can be made of the rest: what `check` found."""
ORDER = {"state": 0, "predictions": 1, "maps": 2, "scores": 3}
SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), False),
        pa.field("key", pa.string(), False),
        pa.field("size", pa.int64(), False),
        pa.field("sha256", pa.string(), False),
        pa.field("modified", pa.int64(), False),
    ]
)


@dataclass(frozen=True)
class Part:
    """A file: its path in the run directory, its object's key, bytes, SHA-256 of its content.

    modified: its time in nanoseconds on the machine that says so.
    """

    path: str
    key: str
    size: int
    sha256: str
    modified: int = field(default=0, compare=False)

    @property
    def look(self) -> tuple[int, int]:
        """What a file looks like from outside."""
        return self.size, self.modified


Parts = dict[str, Part]


def packed(parts: Mapping[str, Part], **said: Any) -> bytes:
    """Parts as the bytes of a Parquet file, which says more of them in its metadata."""
    rows = [parts[path] for path in sorted(parts)]
    columns = {name: [getattr(part, name) for part in rows] for name in SCHEMA.names}
    table = pa.table(columns, SCHEMA.with_metadata({"xaibench": json.dumps(said)}))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def unpacked(data: bytes) -> tuple[Parts, dict[str, Any]]:
    """What `packed` made; ValueError where it did not."""
    try:
        table = pq.read_table(pa.BufferReader(data))
        columns = [table[name].to_pylist() for name in SCHEMA.names]
        said = json.loads((table.schema.metadata or {})[b"xaibench"])
    except (pa.ArrowException, KeyError) as error:
        raise ValueError(str(error)) from None
    if any(path.startswith("/") or ".." in path.split("/") for path in columns[0]):
        raise ValueError("it names files outside of the run directory")
    return {row[0]: Part(*row) for row in zip(*columns, strict=True)}, dict(said)


def scan(root: Path) -> dict[str, tuple[int, int]]:
    """The files of a run directory, or of several below it, with their size and time.

    Results come after what they rest on (state, predictions, maps, scores). Where a run forgets
    the results of an image that has changed it goes the other way, so that what is found during
    that never has the predictions of one image and scores of the other.
    """
    found: dict[str, tuple[int, int]] = {}
    pages: set[str] = set()
    for folder, below, names in os.walk(root):
        here, some = folder[len(str(root)) + 1 :], set(below)
        if layout.MANIFESTS in some:
            some -= HERE
            pages.add(f"{here}/{PAGES}".lstrip("/"))
        if here in pages:
            some, names = some & {KEPT}, []
        below[:] = sorted(some, key=lambda name: (ORDER.get(name, len(ORDER)), name))
        for name in names:
            if not name.startswith((layout.TEMPORARY, layout.LOCK)) and (
                look := seen(f"{folder}/{name}")
            ):
                found[f"{here}/{name}" if here else name] = look
    return found


def seen(path: str | Path) -> tuple[int, int] | None:
    """Size and time of a regular file; None for anything else."""
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        return None
    return (info.st_size, info.st_mtime_ns) if stat.S_ISREG(info.st_mode) else None


def sha256(path: Path) -> str:
    """The hash of a file's content; empty where it is gone."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return ""


def key_for(path: str, content: str, taken: Iterable[str]) -> str:
    """The key of a file's new content: its path, and more where the list has that already.

    No object that a list names is ever put again, so that whoever reads by the list finds what it
    says.
    """
    if path not in taken:
        return path
    stem, dot, suffix = path.rpartition(".")
    return f"{stem}.{content[:12]}{dot}{suffix}" if dot else f"{path}.{content[:12]}"
