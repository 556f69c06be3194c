"""The same cells of two runs, image by image."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xaibench.analysis.measure import AVERAGED, Key, groups
from xaibench.analysis.stats import Floats

if TYPE_CHECKING:
    import pandas as pd

ROW = [*Key._fields, "variation", "image"]


class Pair(NamedTuple):
    """One cell in both runs: positions of its images, values in A and B (n,), rows behind each."""

    images: NDArray[np.int64]
    a: Floats
    b: Floats
    rows: int


def coded(scores: pd.DataFrame) -> pd.DataFrame:
    """The columns needed, names as categories: a full run has ten million rows."""
    frame = scores[[*ROW, "status", "value"]].copy()
    for name in (*ROW, "status"):
        frame[name] = _category(frame[name])
    return frame


def _category(names: pd.Series) -> pd.Series:
    """Names as categories in order, as `store.scores` has them already."""
    if names.dtype == "category":
        held = names.cat.remove_unused_categories()
        if held.cat.categories.dtype == "str" and held.cat.categories.is_monotonic_increasing:
            return held
    return names.astype(str).astype("category")


def cells_of(scores: pd.DataFrame) -> dict[Key, int]:
    """Every cell of a run, with its number of rows of any status."""
    counts = scores.groupby(list(Key._fields), observed=True, sort=False).size()
    names = counts.index.to_frame(index=False).astype(str).itertuples(index=False, name=None)
    return {Key(*name): int(n) for name, n in zip(names, counts, strict=True)}


def pairs_of(a: pd.DataFrame, b: pd.DataFrame, cells: set[Key]) -> dict[Key, Pair]:
    """Per-image values of the shared cells, joined on image and variation."""
    first, second = _shared(a, b)
    others = dict(groups(second))
    pairs = {}
    for key, group in groups(first):
        if key in cells:
            other = others[key]
            pairs[key] = Pair(
                group.images,
                group.sums / group.counts,
                other.sums / other.counts,
                int(group.counts.sum()),
            )
    return pairs


def _shared(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the rows that are in the mean in both frames, whatever their order."""
    a, b = (
        frame[frame["status"].isin(AVERAGED) & np.isfinite(frame["value"].to_numpy(float))]
        for frame in (a, b)
    )
    first, second = (np.zeros(len(frame), dtype=np.int64) for frame in (a, b))
    for name in ROW:
        names = a[name].cat.categories.union(b[name].cat.categories)
        for codes, frame in ((first, a), (second, b)):
            codes *= max(1, len(names))
            codes += names.get_indexer(frame[name].cat.categories)[frame[name].cat.codes]
    kept = a[np.isin(first, second)], b[np.isin(second, first)]
    # Both now have the same images: the positions that `groups` gives them mean the same.
    return _used(kept[0]), _used(kept[1])


def _used(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(image=frame["image"].cat.remove_unused_categories())
