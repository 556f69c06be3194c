"""Columns of files of scores, decoded once where many files share them; names as numbers."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from xaibench.store import tables
from xaibench.store.origin import DAMAGED, FOREIGN, Origin, Unsound, check_regular
from xaibench.store.sound import Reader

TEXTS = [field.name for field in tables.SCORES if pa.types.is_string(field.type)]
ALONE = "value"
"""The column that no two files share."""
MOST = 16_384
"""Decoded columns that are kept: those of 2,000 blocks."""

Codes = NDArray[np.int32]
Columns = dict[str, NDArray[Any]]


class Files:
    """Reads files of scores; several threads may ask.

    A column whose stored bytes are those of one met before is not decoded again: of a block, most
    columns are the same for every method and metric. Whether a file holds what its checksum says
    is verified all the same. numbers: of the names met, by column.
    """

    def __init__(self, held: Reader) -> None:
        self.held = held
        self.numbers: dict[str, dict[str, int]] = {name: {} for name in TEXTS}
        self._met: dict[tuple[Any, ...], tuple[bytes, NDArray[Any]]] = {}
        self._lock = threading.Lock()

    def read(self, path: Path) -> tuple[Columns, Origin]:
        """The columns of a file, names as numbers (int32), and what made it. Raises Unsound."""
        check_regular(path)
        try:
            content = path.read_bytes()
            file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
            stored = _stored(content, file.metadata)
            found = {name: self._met.get(key) for name, key in stored.items()}
            new = [name for name, known in found.items() if known is None]
            table = file.read(columns=new, use_threads=False)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, ValueError):
            raise Unsound(path, DAMAGED) from None
        for name, piece in zip(table.column_names, tables.pieces(table), strict=True):
            found[name] = piece, self._values(name, table[name])
        held = {name: known for name, known in found.items() if known}
        origin = tables.origin_of(path, file.metadata, (piece for piece, _ in held.values()))
        self.held.check(path, origin)
        if list(held) != tables.SCORES.names:
            raise Unsound(path, FOREIGN)
        self._keep({stored[name]: held[name] for name in new if name != ALONE})
        return {name: values for name, (_, values) in held.items()}, origin

    def _values(self, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
        if name not in self.numbers:
            return column.to_numpy()
        known, names = self.numbers[name], column.to_pylist()
        with self._lock:
            return np.array([known.setdefault(one, len(known)) for one in names], np.int32)

    def _keep(self, new: dict[tuple[Any, ...], tuple[bytes, NDArray[Any]]]) -> None:
        if len(self._met) > MOST:
            self._met = {}
        self._met.update(new)

    def ranked(self, name: str) -> tuple[list[str], Codes]:
        """The names met in a column, in order, and the place there of each number."""
        numbers = self.numbers[name]
        names = sorted(numbers)
        ranks = np.empty(len(names), np.int32)
        ranks[[numbers[one] for one in names]] = np.arange(len(names))
        return names, ranks


def _stored(content: bytes, metadata: pq.FileMetaData) -> dict[str, tuple[Any, ...]]:
    """What decides the values of each column: its pages as they are stored, and their form."""
    if metadata.num_row_groups != 1:  # no file of a run: it is read as a whole
        return {name: (name, content) for name in metadata.schema.names}
    group, found = metadata.row_group(0), {}
    for column in map(group.column, range(group.num_columns)):
        start = column.data_page_offset
        if column.has_dictionary_page:
            start = column.dictionary_page_offset
        pages = content[start : start + column.total_compressed_size]
        form = column.compression, column.physical_type, column.num_values
        found[column.path_in_schema] = (column.path_in_schema, *form, pages)
    return found
