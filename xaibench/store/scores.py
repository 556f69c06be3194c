"""All scores of a run directory as one frame, with names as categories."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from xaibench import pool
from xaibench.errors import XaibenchError
from xaibench.store import layout, tables
from xaibench.store.columns import TEXTS, Codes, Columns, Files, Numbers, ranked
from xaibench.store.origin import Unsound
from xaibench.store.sound import reader, steadily

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "image target transform variation method metric status model dataset protocol "
    "label class_index explained_index value"
).split()
KEYS = ["method", "target", "transform", "variation", "metric", "image"]
REPORTED = [name for name in COLUMNS if name not in ("class_index", "explained_index")]
"""Columns that a report reads."""
WORKERS, MANY, FOLDERS = 8, 4_000, 8
"""At most so many processes read, for more than so many files, so many folders at a time."""
CodesOf = dict[tuple[str, str, str], set[str]]
"""Hashes of the code that made scores, by method, transform and metric."""


@dataclass(frozen=True)
class Scores:
    """frame: one row an image and cell, sorted by `KEYS`; names are categories, in order.

    several: scores of which some were made by other code than the rest (`of_several_codes`).
    codes: the code that made them.
    """

    frame: pd.DataFrame
    several: list[str]
    codes: CodesOf


@dataclass
class Cell:
    """The rows of one folder, in the order of its files.

    keys: method, target, transform, variation and metric. made: the code of the scores, and of
    their maps, of those that did not fail.
    """

    keys: list[str]
    columns: Columns
    made: set[tuple[str, str]]


def read_scores(out: str | Path, columns: Collection[str] = COLUMNS) -> Scores:
    """All scores of a run directory, with the columns asked for.

    Raises XaibenchError where there are none, Unsound for a file that no number is made from.
    """
    cells, numbers = steadily(lambda: _cells(Path(out), columns))
    if not cells:
        raise XaibenchError(f"no scores in {out}; run `xaibench run --out {out}` first.")
    codes, maps = codes_of(cells)
    cells.sort(key=lambda cell: cell.keys)
    frame = _frame(cells, numbers, [name for name in COLUMNS if name in columns])
    return Scores(frame, of_several_codes(codes, maps), codes)


def _cells(root: Path, columns: Collection[str]) -> tuple[list[Cell], Numbers]:
    """What every folder of scores holds, in the order of the folders, and the names' numbers."""
    folders = [list(paths) for _, paths in groupby(layout.score_files(root), lambda p: p.parent)]
    held = reader(root)
    if folders and not held.run:
        held.run = tables.read_origin(folders[0][0]).run
    wanted, workers = frozenset((*columns, "image", "status")), min(os.cpu_count() or 1, WORKERS)
    if workers > 1 and sum(map(len, folders)) > MANY:
        jobs = [(folders[i : i + FOLDERS],) for i in range(0, len(folders), FOLDERS)]
        try:
            same = {"run": held.run, "wanted": wanted, "call": uuid4().hex}
            return _together(pool.gather(workers, read_cells, jobs, **same))
        except Unsound:
            raise
        except XaibenchError:  # no other process can be had
            pass
    files = Files(held.run)
    return [_cell(files, paths, wanted) for paths in folders], files.numbers


def read_cells(
    folders: Sequence[Sequence[Path]], run: str, wanted: Collection[str], call: str
) -> tuple[list[Cell], Numbers]:
    """The files of some folders, read in a worker process. call: what a process reads together."""
    files = _files(run, call)
    return [_cell(files, paths, wanted) for paths in folders], files.numbers


@functools.lru_cache(maxsize=1)
def _files(run: str, _call: str) -> Files:
    return Files(run)


def _together(parts: Sequence[tuple[list[Cell], Numbers]]) -> tuple[list[Cell], Numbers]:
    """What several processes read, with one number a name."""
    numbers: Numbers = {}
    for cells, theirs in parts:
        for name, known in theirs.items():
            ours = numbers.setdefault(name, {})
            places = np.array([ours.setdefault(one, len(ours)) for one in known], np.int32)
            for cell in cells:
                if name in cell.columns:
                    codes = places[cell.columns[name]]
                    cell.columns[name] = codes if name == "image" else _small(codes)
    return [cell for cells, _ in parts for cell in cells], numbers


def _cell(files: Files, paths: Sequence[Path], wanted: Collection[str]) -> Cell:
    parts, made = [], set()
    for path in paths:
        found, origin = files.read(path)
        parts.append(found)
        if not path.name.startswith(layout.FAILED):
            made.add((origin.code, origin.maps))
    names = [name for name in parts[0] if name in wanted]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in names}
    joined |= {name: _small(joined[name]) for name in names if name in TEXTS and name != "image"}
    return Cell(layout.score_keys(paths[0]), joined, made)


def codes_of(cells: Collection[Cell]) -> tuple[CodesOf, dict[tuple[str, str], set[str]]]:
    """The code of the scores, by method, transform and metric, and of their maps, by the first two.

    Each transform by itself: it is code too.
    """
    codes: CodesOf = {}
    maps: dict[tuple[str, str], set[str]] = {}
    for cell in cells:
        method, _, transform, _, metric = cell.keys
        codes.setdefault((method, transform, metric), set()).update(code for code, _ in cell.made)
        maps.setdefault((method, transform), set()).update(of_maps for _, of_maps in cell.made)
    return codes, maps


def of_several_codes(codes: CodesOf, maps: Mapping[tuple[str, str], set[str]]) -> list[str]:
    """Scores of which some were made by other code than the rest: `metric of method` in words.

    Where a method's metrics rest on maps of different code, all of them.
    """
    mixed = {
        (method, metric)
        for (method, transform, metric), made in codes.items()
        if len(made) > 1 or len(maps[method, transform]) > 1
    }
    return [f"{metric} of {method}" for method, metric in sorted(mixed)]


def _frame(cells: Sequence[Cell], numbers: Numbers, columns: Sequence[str]) -> pd.DataFrame:
    """The rows of all cells, each image once; takes the columns from the cells."""
    import pandas as pd

    failed = numbers["status"].get("failed", -1)
    _, ranks = ranked(numbers["image"])
    for cell in cells:
        rows = _once(ranks[cell.columns["image"]], cell.columns["status"] == failed)
        if rows is not None:
            cell.columns = {name: column[rows] for name, column in cell.columns.items()}
    lengths = [len(cell.columns["image"]) for cell in cells]
    keys = dict(zip(layout.PARTITIONS, zip(*(c.keys for c in cells), strict=True), strict=True))
    frame: dict[str, Any] = {}
    for name in columns:
        if name in keys:
            names = sorted(set(keys[name]))
            codes = np.repeat(_small([names.index(key) for key in keys[name]]), lengths)
        else:
            codes = np.concatenate([cell.columns.pop(name) for cell in cells])
            if name not in numbers:
                frame[name] = codes
                continue
            names, ranks = ranked(numbers[name])
            codes = _small(ranks)[codes]
        frame[name] = pd.Categorical.from_codes(codes, pd.Index(names, dtype=str))
    return pd.DataFrame(frame, copy=False)


def _once(images: Codes, failed: NDArray[np.bool_]) -> NDArray[np.intp] | None:
    """The rows of a cell in the order of its images, each once; None where they are that already.

    A run interrupted between a success and the removal of an earlier failure has both.
    """
    if (images[1:] > images[:-1]).all():
        return None
    order = np.lexsort((failed, images))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = images[order[1:]] != images[order[:-1]]
    return order[first]


def _small(codes: Sequence[int] | Codes) -> NDArray[np.signedinteger[Any]]:
    """Codes in the smallest type that holds them."""
    found = np.asarray(codes)
    return found.astype(np.min_scalar_type(-int(found.max(initial=0)) - 1))
