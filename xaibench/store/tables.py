"""Parquet files of a run: predictions, and scores hive-partitioned by what they measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xaibench.errors import XaibenchError
from xaibench.store.atomic import write
from xaibench.store.origin import Origin, from_json

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
    ]
)


def save(path: Path, columns: Mapping[str, Any], schema: pa.Schema, origin: Origin) -> None:
    """Write columns as Parquet with what made them, atomically."""
    table = pa.table(dict(columns), schema=schema)
    table = table.replace_schema_metadata({KEY: origin.to_json()})
    _write(path, table)


def copy_rows(path: Path, rows: Sequence[int], into: Path) -> None:
    """Write some rows of a file, with its metadata, as another."""
    _write(into, read(path).take(rows))


def _write(path: Path, table: pa.Table) -> None:
    write(
        path, lambda file: pq.write_table(table, file, compression="zstd", write_page_checksum=True)
    )


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read one Parquet file (its own columns, no partition keys); XaibenchError if damaged."""
    try:
        return pq.ParquetFile(path, page_checksum_verification=True).read(columns=columns)
    except (pa.ArrowException, OSError):
        raise _damaged(path) from None


def _damaged(path: Path) -> XaibenchError:
    return XaibenchError(f"{path} is damaged: delete it and run the same command again.")


def read_ids(path: Path) -> tuple[str, ...]:
    """The image ids of a file."""
    return tuple(read(path, ["image"])["image"].to_pylist())


def read_origin(path: Path) -> Origin:
    """What made a file, from its footer alone."""
    try:
        return from_json((pq.read_schema(path).metadata or {}).get(KEY))
    except (pa.ArrowException, OSError):
        raise _damaged(path) from None
