"""Several files of a block's results become one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from xaibench.store import layout, maps, tables
from xaibench.store.origin import Unsound


def compact(folder: Path, suffix: str, block: int, order: Sequence[str]) -> None:
    """Put what was made of a block in the same way into one file, images in an order, others last.

    The whole is written before the parts go: a kill in between leaves images in two files, which
    every reader takes once and the next call puts right.
    """
    paths = layout.block_files(folder, block, suffix)
    if len(paths) < 2:
        return
    alike: dict[Hashable, list[Path]] = {}
    kind = maps if suffix == layout.MAPS else tables
    for path in paths:
        with suppress(Unsound):  # a damaged one stays as it is, for who reads it to find
            form = _form(maps.load(path)) if kind is maps else tuple(tables.read(path).column_names)
            made = replace(kind.read_origin(path), what="")
            alike.setdefault((made, form), []).append(path)
    where = {image: place for place, image in enumerate(order)}
    for parts in alike.values():
        met = dict.fromkeys(image for path in parts for image in kind.read_ids(path))
        ids = sorted(met, key=lambda image: where.get(image, len(where)))
        name = layout.block_name(block, ids, kind.read_origin(parts[0]).code)
        whole = folder / f"{name}{suffix}"
        if len(parts) == 1 or (whole in paths and whole not in parts):
            continue
        if whole not in parts:
            (_join_maps if suffix == layout.MAPS else _join_tables)(parts, ids, whole)
        for path in parts:
            if path != whole:
                path.unlink()


def _form(shard: maps.MapShard) -> Hashable:
    """What maps that go into one file have in common."""
    return shard.maps.shape[1:], shard.size, frozenset(shard.scalars), shard.state_sha256


def _join_maps(parts: Sequence[Path], ids: Sequence[str], into: Path) -> None:
    whole = maps.join([maps.load(path) for path in parts], ids)
    assert whole is not None
    maps.save(into, whole, whole.state_sha256)


def _join_tables(parts: Sequence[Path], ids: Sequence[str], into: Path) -> None:
    table = pa.concat_tables([tables.read(path) for path in parts])
    rows = {image: row for row, image in enumerate(table["image"].to_pylist())}
    table = table.take([rows[image] for image in ids])
    columns = dict(zip(table.column_names, table.columns, strict=True))
    made = tables.read_origin(parts[0])
    tables.save(into, columns, table.schema.remove_metadata(), made)
