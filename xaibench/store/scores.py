"""All scores of a run directory as one frame, with names as categories."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xaibench.errors import XaibenchError
from xaibench.store import layout, tables
from xaibench.store.columns import Codes, Columns, Files
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
THREADS = 2  # Python's own part of the work, which is most of it, is done by one at a time


@dataclass(frozen=True)
class Scores:
    """frame: one row an image and cell, sorted by `KEYS`; names are categories, in order.

    several: scores of which some were made by other code than the rest (`of_several_codes`).
    """

    frame: pd.DataFrame
    several: list[str]


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
    cells, files = steadily(lambda: _cells(Path(out), columns))
    if not cells:
        raise XaibenchError(f"no scores in {out}; run `xaibench run --out {out}` first.")
    several = of_several_codes(cells)
    cells.sort(key=lambda cell: cell.keys)
    return Scores(_frame(cells, files, [name for name in COLUMNS if name in columns]), several)


def _cells(root: Path, columns: Collection[str]) -> tuple[list[Cell], Files]:
    """What every folder of scores holds, in the order of the folders."""
    folders = [list(paths) for _, paths in groupby(layout.score_files(root), lambda p: p.parent)]
    files = Files(reader(root))
    if folders and not files.held.run:
        files.held.run = tables.read_origin(folders[0][0]).run
    wanted = {*columns, "image", "status"}
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda paths: _cell(files, paths, wanted), folders)), files


def _cell(files: Files, paths: Sequence[Path], wanted: Collection[str]) -> Cell:
    parts, made = [], set()
    for path in paths:
        found, origin = files.read(path)
        parts.append(found)
        if not path.name.startswith(layout.FAILED):
            made.add((origin.code, origin.maps))
    names = [name for name in parts[0] if name in wanted]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in names}
    return Cell(layout.score_keys(paths[0]), joined, made)


def of_several_codes(cells: Collection[Cell]) -> list[str]:
    """Scores of which some were made by other code than the rest: `metric of method` in words.

    Where a method's metrics rest on maps of different code, all of them.
    """
    codes: dict[tuple[str, str], set[str]] = {}
    maps: dict[tuple[str, str], set[str]] = {}
    for cell in cells:
        method, _, transform, _, metric = cell.keys
        for code, of_maps in cell.made:
            codes.setdefault((metric, method), set()).add(code)
            maps.setdefault((method, transform), set()).add(of_maps)
    mixed = {method for (method, _), made in maps.items() if len(made) > 1}
    return [f"{m} of {of}" for (m, of), made in codes.items() if of in mixed or len(made) > 1]


def _frame(cells: Sequence[Cell], files: Files, columns: Sequence[str]) -> pd.DataFrame:
    """The rows of all cells, each image once; takes the columns from the cells."""
    import pandas as pd

    failed = files.numbers["status"].get("failed", -1)
    _, ranks = files.ranked("image")
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
            if name not in files.numbers:
                frame[name] = codes
                continue
            names, ranks = files.ranked(name)
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
