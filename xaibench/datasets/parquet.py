"""Parquet shards as the Hugging Face hub has them: a column of images, one of labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaibench.datasets import ilsvrc, shards
from xaibench.datasets.base import Dataset
from xaibench.datasets.blobs import Cell
from xaibench.errors import XaibenchError, reason
from xaibench.registry import dataset

if TYPE_CHECKING:
    import pyarrow as pa

LABELS = ("label", "labels", "cls", "class", "wnid", "synset")


@dataset(order=20)
def parquet(source: str) -> Dataset | None:
    """PATH with *.parquet: images as structs of bytes and path, and class index or WordNet id.

    Images keep their stored order, because rows are read a row group at a time. Ids are
    the stored file names, or `<shard>/<row>` where these are missing or repeated. None where
    there are no such files.
    """
    root = Path(source)
    files = shards.find(root, ".parquet")
    if not files:
        return None
    tables = [_read(path) for path in files]
    if not all(table.cells for table in tables):
        return None
    names = [name for table in tables for name in table.names]
    whole = all(names) and len(set(names)) == len(names)
    ids = names if whole else [i for table in tables for i in table.row_ids(root)]
    values = [label for table in tables for label in table.labels]
    bare = sum(label is None or label == -1 for label in values)
    if 0 < bare < len(values):
        raise XaibenchError(f"{bare:,} of {len(values):,} images in {root} have no label.")
    labels = (-1,) * len(ids) if bare else ilsvrc.class_indices(values, str(root))
    cells = tuple(cell for table in tables for cell in table.cells)
    folder = root if root.is_dir() else root.parent
    return Dataset(ilsvrc.dataset_name(folder, ids, labels), folder, tuple(ids), labels, cells)


@dataclass(frozen=True)
class _Shard:
    """What a file says without its images being read; no cells where it has none."""

    path: Path
    names: tuple[str, ...] = ()
    labels: tuple[Any, ...] = ()
    cells: tuple[Cell, ...] = ()

    def row_ids(self, root: Path) -> Iterator[str]:
        """`<shard>/<row>` for each row, the shard relative to the data folder."""
        shard = self.path.relative_to(root if root.is_dir() else root.parent).with_suffix("")
        return (f"{shard.as_posix()}/{row:06d}" for row in range(len(self.cells)))


def _read(path: Path) -> _Shard:
    try:
        return _shard(path)
    except XaibenchError:
        raise
    except Exception as error:  # Arrow's own, or what a column of another kind leads to
        raise XaibenchError(
            f"cannot read {path} ({reason(error)}): copy or download it again."
        ) from error


def _shard(path: Path) -> _Shard:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        image = _image_column(schema)
        if image is None:
            return _Shard(path)
        label = next((name for name in LABELS if name in schema.names), None)
        columns = [f"{image}.path", *([label] if label else [])]
        table = file.read(columns=columns)
        cells = tuple(_cells(path, file.metadata, f"{image}.bytes"))
    known = table.column(image).combine_chunks().field("path").to_pylist()
    names = tuple(Path(name).name if name else "" for name in known)
    values = table.column(label).to_pylist() if label else [None] * len(cells)
    return _Shard(path, names, _classes(values, schema, label, path), cells)


def _image_column(schema: pa.Schema) -> str | None:
    """The first column that is a struct of bytes and path."""
    import pyarrow as pa

    for field in schema:
        if pa.types.is_struct(field.type):
            inner = {field.type.field(i).name for i in range(field.type.num_fields)}
            if {"bytes", "path"} <= inner:
                return str(field.name)
    return None


def _cells(path: Path, metadata: Any, column: str) -> Iterator[Cell]:
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group)
        sizes = {
            rows.column(i).path_in_schema: rows.column(i).total_uncompressed_size
            for i in range(rows.num_columns)
        }
        for row in range(rows.num_rows):
            yield Cell(path, column, group, row, sizes[column])


def _classes(
    values: list[Any], schema: pa.Schema, label: str | None, path: Path
) -> tuple[Any, ...]:
    """Labels through the names of the schema's classes, where it has any."""
    names = _class_names(schema, label)
    if names is None:
        return tuple(values)
    wnids = [name[:9] for name in names]
    if all(ilsvrc.is_wnid(wnid) for wnid in wnids):
        return tuple(wnids[v] if v is not None and v >= 0 else v for v in values)
    _check_names(names, path)
    return tuple(values)


def _class_names(schema: pa.Schema, label: str | None) -> list[str] | None:
    """The class names that Hugging Face keeps in the schema's metadata."""
    held = (schema.metadata or {}).get(b"huggingface")
    if not held or not label:
        return None
    features = json.loads(held).get("info", {}).get("features", {})
    feature = features.get(label) or {}
    return feature.get("names") if isinstance(feature, dict) else None


def _check_names(names: list[str], path: Path) -> None:
    """XaibenchError unless the names are those of ImageNet's classes, in their order.

    Sources use different synonyms, so half must agree; in another order almost none would.
    """
    from torchvision.models import ResNet50_Weights

    ours = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    if len(names) != len(ours):
        raise XaibenchError(
            f"the classes of {path} are not ImageNet's: {len(names)} of them (first: "
            f"'{names[0] if names else ''}'), not {len(ours):,}. Give ImageNet's validation set."
        )
    same = [_plain(a) == _plain(b) for a, b in zip(names, ours, strict=True)]
    if 2 * sum(same) < len(same):
        first = same.index(False)
        raise XaibenchError(
            f"the classes of {path} are not ImageNet's, or in another order: class {first} is "
            f"'{names[first]}', not '{ours[first]}' ({sum(same)} of {len(same):,} agree)."
        )


def _plain(name: str) -> str:
    return name.split(",")[0].strip().lower().replace("_", " ")
