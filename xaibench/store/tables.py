"""Parquet files of a run: predictions, and scores hive-partitioned by what they measure."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from xaibench.store.atomic import write
from xaibench.store.origin import (
    DAMAGED,
    Origin,
    Unsound,
    check_content,
    check_regular,
    sealed,
    unsealed,
)

KEY = b"xaibench"
SCORES = pa.schema(
    [
        ("image", pa.string()),
        ("status", pa.string()),
        ("model", pa.string()),
        ("dataset", pa.string()),
        ("protocol", pa.string()),
        ("label", pa.int64()),
        ("class_index", pa.int64()),
        ("explained_index", pa.int64()),
        ("value", pa.float64()),
    ]
)
CURVE = "curve"
"""The column of what values come from, last in a file of scores that has one."""
WITH_CURVES = SCORES.append(pa.field(CURVE, pa.list_(pa.float64())))
CONTENT = ("sha256", "modified")
"""Columns of predictions that say what an untouched image's file was (`datasets.blobs.Content`)."""
PREDICTIONS = pa.schema(
    [
        ("image", pa.string()),
        ("label", pa.int64()),
        ("argmax", pa.int64()),
        ("argmin", pa.int64()),
        *(
            (f"{kind}_{target}", pa.float32() if kind == "logit" else pa.float64())
            for target in ("ground_truth", "predicted", "least_probable")
            for kind in ("logit", "probability")
        ),
        ("sha256", pa.string()),
        ("modified", pa.int64()),
        ("rank", pa.int64()),
        ("classes", pa.int64()),
    ]
)
RANK = {"rank": -1, "classes": 0}
"""How many classes are before an image's label, and of how many; what older files leave open."""


def save(path: Path, columns: Mapping[str, Any], schema: pa.Schema, origin: Origin) -> None:
    """Write columns as Parquet with what made them and a checksum, atomically."""
    _write(path, pa.table(dict(columns), schema=schema), origin)


def copy_rows(path: Path, rows: Sequence[int], into: Path) -> None:
    """Write some rows of a file, with what made them, as another."""
    table, origin = load(path)
    _write(into, table.take(rows), origin)


def _write(path: Path, table: pa.Table, origin: Origin) -> None:
    curves = CURVE in table.column_names
    more = {CURVE: _checksum_curves(table[CURVE])} if curves else {}
    content = _checksum({name: Column(table[name]) for name in table.column_names})
    table = table.replace_schema_metadata({KEY: sealed(path, origin, content, **more)})
    write(
        path, lambda file: pq.write_table(table, file, compression="zstd", write_page_checksum=True)
    )


class Column:
    """A column of a file: its values, and what its checksum is of."""

    def __init__(self, values: pa.ChunkedArray) -> None:
        self.values = values

    @functools.cached_property
    def numbers(self) -> NDArray[Any]:
        """The values (n,) of a column of numbers."""
        return self.values.to_numpy()

    @functools.cached_property
    def text(self) -> bytes:
        """Names as JSON, numbers as they lie in memory."""
        return text(self.values) if pa.types.is_string(self.values.type) else self.numbers.tobytes()

    @functools.cached_property
    def kind(self) -> str:
        """The type of the values and the length of the text."""
        return f"{self.values.type} {len(self.text)}"


class Found(NamedTuple):
    """The columns of a file by name, what made it, and what Parquet says of it."""

    columns: dict[str, Column]
    made: Origin
    metadata: pq.FileMetaData


def load(path: Path, *, curves: bool = True) -> tuple[pa.Table, Origin]:
    """One Parquet file (its own columns, no partition keys) and what made it. Raises Unsound.

    curves: whether the curves of a file that has them are read and verified, or left out.
    """
    check_regular(path)
    found = verified(path, path.read_bytes(), curves=curves)
    table = pa.table({name: column.values for name, column in found.columns.items()})
    return table, found.made


def verified(
    path: Path,
    content: bytes,
    known: Mapping[str, Column | None] | None = None,
    *,
    curves: bool = True,
) -> Found:
    """The columns of the file with this content, all verified. Raises Unsound.

    known: all that it has to hold besides curves, in order; those that are not None are not read.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        columns = dict(known or dict.fromkeys(file.schema_arrow.names))
        if not curves:
            columns.pop(CURVE, None)
        # a file is small: handing out its columns costs more
        table = file.read([n for n, held in columns.items() if held is None], use_threads=False)
        columns |= {name: Column(table[name]) for name in table.column_names}
        found = {name: column for name, column in columns.items() if column is not None}
    except (pa.ArrowException, OSError, ValueError, KeyError):
        raise Unsound(path, DAMAGED) from None
    said, drawn = _said(path, file.metadata), found.get(CURVE)
    check_content(path, said, _checksum(found))
    if curves and said.get(CURVE) != (_checksum_curves(drawn.values) if drawn else None):
        raise Unsound(path, DAMAGED)
    return Found(found, said["made"], file.metadata)


def read(path: Path, *, curves: bool = True) -> pa.Table:
    """The columns of one Parquet file, as `load` gives them. Raises Unsound."""
    return load(path, curves=curves)[0]


def read_ids(path: Path) -> tuple[str, ...]:
    """The image ids of a file."""
    return tuple(read(path, curves=False)["image"].to_pylist())


def has_curves(path: Path) -> bool:
    """Whether a file says that it holds curves. Raises Unsound."""
    return CURVE in _footer(path)


def read_origin(path: Path) -> Origin:
    """What made a file, from its footer alone. Raises Unsound."""
    made: Origin = _footer(path)["made"]
    return made


def _footer(path: Path) -> dict[str, Any]:
    """What a file says of itself, without its columns. Raises Unsound."""
    check_regular(path)
    try:
        metadata = pq.read_metadata(path)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError):
        raise Unsound(path, DAMAGED) from None
    return _said(path, metadata)


def _said(path: Path, metadata: pq.FileMetaData) -> dict[str, Any]:
    """What a file says of itself; a second copy of that, in its schema, is read by nobody."""
    return unsealed(path, (metadata.metadata or {}).get(KEY))


def _checksum(columns: Mapping[str, Column]) -> str:
    """SHA-256 over names and values, without curves."""
    found = hashlib.sha256()
    for name, column in columns.items():
        if name != CURVE:
            found.update(f"{name} {column.kind} ".encode())
            found.update(column.text)
    return found.hexdigest()


def _checksum_curves(column: pa.ChunkedArray) -> str:
    """SHA-256 over the lengths and numbers of curves; a missing one has the length -1."""
    found = hashlib.sha256()
    for part in column.chunks:
        found.update(part.value_lengths().fill_null(-1).to_numpy().tobytes())
    for part in column.chunks:
        found.update(part.flatten().to_numpy().tobytes())
    return found.hexdigest()


def text(column: pa.ChunkedArray) -> bytes:
    """A column of strings as JSON; of the same strings as not long before, the same object.

    Most files of a run hold the ids and names that others hold too.
    """
    if column.num_chunks != 1 or column.chunk(0).offset:
        return json.dumps(column.to_pylist()).encode()
    array = column.chunk(0)
    parts = (None if part is None else part.to_pybytes() for part in array.buffers())
    return _text(len(array), *parts)


@functools.lru_cache(maxsize=4096)
def _text(length: int, known: bytes | None, places: bytes | None, content: bytes | None) -> bytes:
    """The same of the buffers of a `pa.StringArray`: which are known, where each is, and all."""
    buffers = (None if part is None else pa.py_buffer(part) for part in (places, content, known))
    return json.dumps(pa.StringArray.from_buffers(length, *buffers).to_pylist()).encode()
