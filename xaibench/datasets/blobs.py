"""Where an image's bytes lie: a file, a range of bytes of an archive, a cell of a Parquet file."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol


class Blob(Protocol):
    """Something small and picklable that can be opened, here or in a worker process."""

    @property
    def path(self) -> Path:
        """The file that holds the bytes."""

    @property
    def size(self) -> int:
        """A number of bytes that changes when the image does; -1 where the file is gone."""

    def open(self) -> BinaryIO:
        """The encoded image; OSError where it cannot be read."""


class Content(NamedTuple):
    """What an image was when it was read.

    sha256: of its encoded bytes, empty where they could not be read. modified: when the file that
    holds them last changed, in ns; -1 where it is gone.
    """

    sha256: str
    modified: int


def modified(path: Path | str) -> int:
    """When a file last changed, in ns; -1 where it is gone."""
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116 (of 50,000 files: a Path takes longer)
    except OSError:
        return -1


def read(blob: Blob) -> tuple[bytes, Content]:
    """An image's encoded bytes, and what they are; OSError where they cannot be read."""
    before = modified(blob.path)  # a change while it is read shows later
    with blob.open() as file:
        data = file.read()
    return data, Content(hashlib.sha256(data).hexdigest(), before)


def content(blob: Blob) -> Content:
    """What an image is now, whether it can be read or not."""
    try:
        return read(blob)[1]
    except Exception:  # a library's own, for a damaged archive
        return Content("", modified(blob.path))


@dataclass(frozen=True)
class File:
    """A file of its own."""

    path: Path

    @property
    def size(self) -> int:
        """Its size; -1 for a broken link."""
        try:
            return self.path.stat().st_size
        except OSError:
            return -1

    def open(self) -> BinaryIO:
        """The file; OSError where it is a pipe or a device, which may have no end."""
        if not stat.S_ISREG(self.path.stat().st_mode):
            raise OSError("it is no regular file")
        return self.path.open("rb")


@dataclass(frozen=True)
class Span:
    """`size` bytes of an uncompressed archive from an offset on."""

    path: Path
    offset: int
    size: int

    def open(self) -> BinaryIO:
        """Read by offset: nothing else of the archive is read."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(self.size)
        if len(data) < self.size:
            raise OSError(f"{self.path.name} ends inside this image")
        return io.BytesIO(data)


@dataclass(frozen=True)
class Cell:
    """A row of a row group; column: dotted; size: bytes of the whole group's column."""

    path: Path
    column: str
    group: int
    row: int
    size: int

    def open(self) -> BinaryIO:
        """Read with its row group; the last one read stays in memory."""
        value = _row_group(self.path, self.column, self.group)[self.row].as_py()
        if value is None:
            raise OSError("the row has no image bytes")
        return io.BytesIO(value)


@lru_cache(maxsize=1)
def _row_group(path: Path, column: str, group: int) -> Any:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        table = file.read_row_group(group, columns=[column])
    values = table.column(0).combine_chunks()
    for part in column.split(".")[1:]:
        values = values.field(part)
    return values
