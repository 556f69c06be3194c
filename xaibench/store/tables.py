"""Parquet files of a run: predictions, and scores hive-partitioned by what they measure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xaibench.errors import XaibenchError
from xaibench.store.atomic import encode, write

PARTITIONS = ("method", "target", "transform", "variation", "metric")
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
    ]
)


def scores_folder(root: Path, **keys: str) -> Path:
    """The partition of the given method, target, transform, variation and metric."""
    path = root / "scores"
    for name in PARTITIONS:
        path /= f"{name}={encode(keys[name])}"
    return path


def save(path: Path, columns: Mapping[str, Any], schema: pa.Schema, subset: str = "") -> None:
    """Write columns as Parquet, atomically; subset: the hash that results in groups carry."""
    table = pa.table(dict(columns), schema=schema)
    if subset:
        table = table.replace_schema_metadata({"xaibench.subset": subset})
    write(
        path, lambda file: pq.write_table(table, file, compression="zstd", write_page_checksum=True)
    )


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read one Parquet file (its own columns, no partition keys); XaibenchError if damaged."""
    try:
        return pq.ParquetFile(path, page_checksum_verification=True).read(columns=columns)
    except (pa.ArrowException, OSError):
        raise XaibenchError(
            f"{path} is damaged: delete it and run the same command again."
        ) from None


def read_ids(path: Path) -> tuple[str, ...]:
    """The image ids of a file."""
    return tuple(read(path, ["image"])["image"].to_pylist())
