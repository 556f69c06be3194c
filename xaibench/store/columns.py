"""Columns of files of scores, with numbers in the place of names."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xaibench.store import tables
from xaibench.store.origin import FOREIGN, Origin, Unsound

TEXTS = [field.name for field in tables.SCORES if pa.types.is_string(field.type)]

Codes = NDArray[np.int32]
Columns = dict[str, NDArray[Any]]
Numbers = dict[str, dict[str, int]]
"""Name -> number, by column, in the order in which they were met."""


class Files:
    """Reads files of scores, each verified as a whole.

    run: the hash of the identity that all must be of. numbers: of the names met, by column.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self.numbers: Numbers = {name: {} for name in TEXTS}
        self._codes = functools.lru_cache(maxsize=4096)(self._coded)

    def read(self, path: Path) -> tuple[Columns, Origin]:
        """The columns of a file, names as numbers (int32), and what made it. Raises Unsound."""
        table, origin = tables.load(path, curves=False)
        if origin.run != self.run or table.column_names != tables.SCORES.names:
            raise Unsound(path, FOREIGN)
        return {name: self._values(name, table[name]) for name in table.column_names}, origin

    def _values(self, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
        return self._codes(name, tables.text(column)) if name in TEXTS else column.to_numpy()

    def _coded(self, name: str, text: bytes) -> Codes:
        """The numbers of a column of names, which is given as `tables.text`."""
        known = self.numbers[name]
        return np.array([known.setdefault(one, len(known)) for one in json.loads(text)], np.int32)


def ranked(known: dict[str, int]) -> tuple[list[str], Codes]:
    """Names in order, and the place there of each number."""
    names = sorted(known)
    ranks = np.empty(len(names), np.int32)
    ranks[[known[one] for one in names]] = np.arange(len(names))
    return names, ranks
