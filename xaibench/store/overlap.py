"""Files of the same block in several runs: what they hold alike, and who differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from xaibench.errors import XaibenchError
from xaibench.store import layout, tables

TIME = "modified"
"""The column of predictions that is no result: when the file of an image was last written here."""


def first_rows(paths: Sequence[Path], compare: bool = True) -> list[tuple[Path, list[int]]]:
    """The rows to take of files of one block, so that each image is there once, of the first.

    compare: whether rows of one image have to be equal; curves where both files have them. Raises
    XaibenchError where two files differ in an image.
    """
    held = {path: _read(path) for path in paths}
    ids = {path: _ids(one) for path, one in held.items()}
    taken: dict[str, tuple[Path, int]] = {}
    found = []
    for path in paths:
        again: dict[Path, list[tuple[int, int]]] = {}
        rows = []
        for row, image in enumerate(ids[path]):
            other, at = taken.setdefault(image, (path, row))
            if (other, at) == (path, row):
                rows.append(row)
            else:
                again.setdefault(other, []).append((at, row))
        for other, pairs in again.items() if compare else ():
            there, here = zip(*pairs, strict=True)
            _compare(other, path, held[other], held[path], list(there), list(here))
        found.append((path, rows))
    return found


def _read(path: Path) -> Any:
    """A table, or a shard of maps."""
    if path.suffix == layout.TABLE:
        return tables.load(path)[0]
    from xaibench.store import maps

    return maps.load(path)


def _ids(held: Any) -> list[str]:
    return held["image"].to_pylist() if isinstance(held, pa.Table) else list(held.ids)


def _compare(
    one: Path, other: Path, mine: Any, theirs: Any, there: list[int], here: list[int]
) -> None:
    """XaibenchError with the first image that differs, if any does. there, here: rows of both."""
    alike = _tables_alike if isinstance(mine, pa.Table) else _maps_alike
    if alike(mine, theirs, there, here):
        return
    ids = _ids(mine)
    pairs = zip(there, here, strict=True)
    first = next((a for a, b in pairs if not alike(mine, theirs, [a], [b])), there[0])
    raise XaibenchError(
        f"{one} and {other} differ in {ids[first]}: nothing was written; compute one of them anew."
    )


def _tables_alike(mine: pa.Table, theirs: pa.Table, there: list[int], here: list[int]) -> bool:
    """Whether rows are equal to the bit, in the columns that both have."""
    names = {*mine.column_names} & {*theirs.column_names} - {TIME}
    return all(_bits(mine[n].take(there)) == _bits(theirs[n].take(here)) for n in names)


def _bits(column: pa.ChunkedArray) -> list[Any]:
    """Values in a form in which NaN equals itself, and 0.0 is not -0.0."""

    def bits(value: Any) -> Any:
        if isinstance(value, list):
            return [*map(bits, value)]
        return value.hex() if isinstance(value, float) else value

    return [*map(bits, column.to_pylist())]


def _maps_alike(mine: Any, theirs: Any, there: list[int], here: list[int]) -> bool:
    """Whether maps are equal to the bit, with what is said of them."""
    from xaibench.store.maps import checksum

    def held(shard: Any, rows: list[int]) -> tuple[Any, ...]:
        some = shard.select(rows)
        tensors = {"maps": some.maps, "explained": some.explained, **some.scalars}
        return checksum(tensors, some.ids), shard.size, shard.state_sha256

    return held(mine, there) == held(theirs, here)


def same_states(one: Path, other: Path) -> bool:
    """Whether what a method prepared is equal to the bit, from the same images."""
    from xaibench.store.state import load

    beside = [path.with_suffix(layout.TABLE) for path in (one, other)]
    of: list[Mapping[str, Any]] = [_images(path) for path in beside]
    known = of[0].keys() & of[1].keys()
    return load(one).sha256 == load(other).sha256 and all(of[0][i] == of[1][i] for i in known)


def _images(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    table = tables.read(path)
    return dict(zip(table["image"].to_pylist(), table["sha256"].to_pylist(), strict=True))
