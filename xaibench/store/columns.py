"""Columns of files of scores, with numbers in the place of names."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from xaibench.store import tables
from xaibench.store.origin import FOREIGN, Origin, Unsound, check_regular
from xaibench.store.tables import Column, Found

TEXTS = [field.name for field in tables.SCORES if pa.types.is_string(field.type)]

Codes = NDArray[np.int32]
Columns = dict[str, NDArray[Any]]
Numbers = dict[str, dict[str, int]]
"""Name -> number, by column, in the order in which they were met."""


HEAD = 64
"""Bytes at the beginning of a file by which others of the same images are found."""
KNOWN = 1024
"""Files of which the columns are kept."""


class Same(NamedTuple):
    """What files of scores of the same images hold alike, to the byte.

    before, after: what is stored before the statuses, and from these to the values. columns: all
    but these two.
    """

    before: bytes
    after: bytes
    columns: dict[str, Column]


class Files:
    """Reads files of scores, each verified as a whole.

    run: the hash of the identity that all must be of. numbers: of the names met, by column.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self.numbers: Numbers = {name: {} for name in TEXTS}
        self._codes = functools.lru_cache(maxsize=4096)(self._coded)
        self._same: dict[bytes, list[Same]] = {}
        self._statuses: dict[bytes, Column] = {}

    def read(self, path: Path) -> tuple[Columns, Origin]:
        """The columns of a file, names as numbers (int32), and what made it. Raises Unsound."""
        check_regular(path)
        content = path.read_bytes()
        found = self._again(path, content) or self._whole(path, content)
        if found.made.run != self.run or list(found.columns) != tables.SCORES.names:
            raise Unsound(path, FOREIGN)
        return {n: self._values(n, column) for n, column in found.columns.items()}, found.made

    def _again(self, path: Path, content: bytes) -> Found | None:
        """A file that others are like: values alone are read, and statuses that are new.

        None where none is, or where not all is sound.
        """
        for same in self._same.get(content[:HEAD], ()):
            start = len(same.before)
            end = content.find(same.after, start)
            if end >= 0 and content.startswith(same.before):
                status = self._statuses.get(content[start:end])
                columns = {name: same.columns.get(name) for name in tables.SCORES.names}
                try:
                    return tables.verified(
                        path, content, columns | {"status": status}, curves=False
                    )
                except Unsound:
                    return None
        return None

    def _whole(self, path: Path, content: bytes) -> Found:
        """A file with all of its columns, which are then known."""
        found = tables.verified(path, content, curves=False)
        if list(found.columns) == tables.SCORES.names and found.metadata.num_row_groups == 1:
            if sum(map(len, self._same.values())) >= KNOWN:
                self._same.clear()
                self._statuses.clear()
            status, model, value = (_start(found.metadata, n) for n in ("status", "model", "value"))
            columns = {n: c for n, c in found.columns.items() if n not in ("status", "value")}
            same = Same(content[:status], content[model:value], columns)
            self._same.setdefault(content[:HEAD], []).append(same)
            self._statuses[content[status:model]] = found.columns["status"]
        return found

    def _values(self, name: str, column: Column) -> NDArray[Any]:
        return self._codes(name, column.text) if name in TEXTS else column.numbers

    def _coded(self, name: str, text: bytes) -> Codes:
        """The numbers of a column of names, which is given as JSON."""
        known = self.numbers[name]
        return np.array([known.setdefault(one, len(known)) for one in json.loads(text)], np.int32)


def _start(metadata: pq.FileMetaData, name: str) -> int:
    """Where a column begins in a file that has been read: of another, Arrow ends the process."""
    column = metadata.row_group(0).column(tables.SCORES.names.index(name))
    return int(column.dictionary_page_offset or column.data_page_offset)


def ranked(known: dict[str, int]) -> tuple[list[str], Codes]:
    """Names in order, and the place there of each number."""
    names = sorted(known)
    ranks = np.empty(len(names), np.int32)
    ranks[[known[one] for one in names]] = np.arange(len(names))
    return names, ranks
