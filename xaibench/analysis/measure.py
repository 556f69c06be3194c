"""From the tidy frame of scores to one measurement a cell, in natural units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xaibench.analysis.bare import from_values
from xaibench.analysis.intervals import Interval, Sample, intervals
from xaibench.analysis.stats import RESAMPLES, SEED
from xaibench.analysis.stopped import Stopped
from xaibench.config.catalog import Catalog
from xaibench.errors import XaibenchError

if TYPE_CHECKING:
    import pandas as pd

AVERAGED = ("ok", "constant_map")
"""Statuses whose rows are in the mean; those of other statuses are left out and counted."""


class Key(NamedTuple):
    """What one mean is of."""

    method: str
    target: str
    transform: str
    metric: str


@dataclass(frozen=True)
class Measurement:
    """One mean over images and variations, in natural units.

    Attributes:
        mean: over rows `ok` and `constant_map`; None when there is none.
        low, high: ends of the 95% interval; None with fewer than two images.
        unsure: whether such an interval holds the mean in under 90% of the cases.
        n: images in the mean.
        n_constant: rows in the mean whose map is constant.
        n_left_out: rows not in the mean, by status.
        variations: names of the variations in the frame.
        points: within so many the interval was to be for the run to stop; None where it was not.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    n_constant: int
    n_left_out: dict[str, int]
    variations: tuple[str, ...]
    unsure: bool = False
    points: float | None = None


@dataclass(frozen=True)
class Group:
    """The rows of one cell, summed by image. `images`, `sums` and `counts` are (n,).

    `images` are positions among the sorted names of all images in the frame; `binary` says whether
    every value is 0 or 1.
    """

    images: NDArray[np.int64]
    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    n_constant: int
    n_left_out: dict[str, int]
    variations: tuple[str, ...]
    binary: bool = False


def measure(
    scores: pd.DataFrame,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    catalog: Catalog | None = None,
    stopped: Stopped | None = None,
) -> dict[Key, Measurement]:
    """Aggregate `scores` (one row an image, variation and metric) to one measurement a cell.

    The result does not depend on the order of the rows. Cells on the same images share their
    resamples. `catalog` says which metrics can only be 0 or 1; by default the values do. `stopped`:
    how the run came to its images, where it stopped when sure.

    Raises:
        XaibenchError: if an image has two rows for one cell and variation.
    """
    cells = dict(groups(scores))
    catalog = catalog or from_values(scores)
    samples = {
        key: Sample(
            cells[key].images.tobytes(),
            cells[key].sums,
            cells[key].counts,
            catalog.metric(key.metric).binary and cells[key].binary,
        )
        for key in sorted(cells)
    }
    anytime = stopped.bounds(cells, image_names(scores)) if stopped else {}
    samples = {key: sample for key, sample in samples.items() if key not in anytime}
    ends = intervals(samples, resamples=resamples, seed=seed)
    ends |= {key: bound.interval for key, bound in anytime.items()}
    points = {key: bound.points for key, bound in anytime.items()}
    return {key: _measurement(group, ends[key], points.get(key)) for key, group in cells.items()}


def _measurement(group: Group, interval: Interval, points: float | None) -> Measurement:
    n = len(group.images)
    return Measurement(
        mean=float(group.sums.sum() / group.counts.sum()) if n else None,
        low=interval.low,
        high=interval.high,
        n=n,
        n_constant=group.n_constant,
        n_left_out=group.n_left_out,
        variations=group.variations,
        unsure=interval.unsure,
        points=points,
    )


def groups(scores: pd.DataFrame) -> Iterator[tuple[Key, Group]]:
    """Yield every cell with its rows summed by image; XaibenchError for an image that is twice."""
    image, _ = _numbered(scores["image"])
    variation, variations = _numbered(scores["variation"])
    status, statuses = _numbered(scores["status"])
    value = scores["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    names = list(map(str, statuses))
    averaged = np.isin(names, AVERAGED)
    for key, rows in _cells(scores):
        images, held, values, varied = image[rows], status[rows], value[rows], variation[rows]
        _refuse_duplicates(key, images.astype(np.int64) * len(variations) + varied)
        # a store never writes a value that is not finite; a mean must survive one
        kept = averaged[held] & np.isfinite(values)
        out, held, images, values = held[~kept], held[kept], images[kept], values[kept]
        counts = np.bincount(images)
        if counts.max(initial=0) > 1:  # one order of summing, to the last bit
            order = np.lexsort((values, images))
            images, values = images[order], values[order]
        present = np.flatnonzero(counts).astype(np.int64)
        yield (
            key,
            Group(
                images=present,
                sums=np.bincount(images, values)[present].astype(np.float64),
                counts=counts[present].astype(np.float64),
                n_constant=_tally(held, names).get("constant_map", 0),
                n_left_out=_reasons(_tally(out, names)),
                variations=tuple(sorted(str(variations[i]) for i in np.unique(varied))),
                binary=bool(((values == 0) | (values == 1)).all()),
            ),
        )


def _cells(scores: pd.DataFrame) -> Iterator[tuple[Key, slice | NDArray[np.intp]]]:
    """Every cell with its rows in order: a slice where they follow one another."""
    cell, known = np.zeros(len(scores), np.int32), []
    for field in Key._fields:
        codes, names = _numbered(scores[field])
        cell *= len(names)
        cell += codes
        known.append(names)
    sizes = [len(names) for names in known]
    counts = np.bincount(cell)
    order = np.argsort(cell.astype(np.min_scalar_type(len(counts))), kind="stable")
    for number, end in zip(np.flatnonzero(counts), np.cumsum(counts[counts > 0]), strict=True):
        rows = order[end - counts[number] : end]
        places = np.unravel_index(number, sizes)
        key = Key(*(str(names[int(i)]) for names, i in zip(known, places, strict=True)))
        one = rows[-1] - rows[0] < len(rows)
        yield key, slice(int(rows[0]), int(rows[-1]) + 1) if one else rows


def _numbered(column: pd.Series) -> tuple[NDArray[Any], pd.Index]:
    """The places of names among those that occur, in order, and these."""
    import pandas as pd

    if column.dtype == "category" and column.cat.categories.is_monotonic_increasing:
        codes, names = column.cat.codes.to_numpy(), column.cat.categories
        used = np.zeros(len(names), np.bool_)
        used[codes] = True  # a full run has ten million rows: to look for them takes longer
        if codes.min(initial=0) >= 0:
            places = (np.cumsum(used) - 1).astype(np.int32)
            return (codes, names) if used.all() else (places[codes], names[used])
    codes, names = pd.factorize(column, sort=True)
    return codes.astype(np.int32), names


def image_names(scores: pd.DataFrame) -> list[str]:
    """The names that the positions of `Group.images` are of."""
    return list(map(str, _numbered(scores["image"])[1]))


def _tally(codes: NDArray[np.intp], names: list[str]) -> dict[str, int]:
    times = np.bincount(codes, minlength=len(names))
    return {name: int(count) for name, count in zip(names, times, strict=True) if count}


def _reasons(tally: dict[str, int]) -> dict[str, int]:
    reasons: dict[str, int] = {}
    for name, count in sorted(tally.items()):
        reason = "nonfinite" if name in AVERAGED else name
        reasons[reason] = reasons.get(reason, 0) + count
    return reasons


def _refuse_duplicates(key: Key, codes: NDArray[np.int64]) -> None:
    if np.bincount(codes).max(initial=0) > 1:
        raise XaibenchError(
            f"scores hold an image twice for method {key.method}, metric {key.metric}, target "
            f"{key.target}, transform {key.transform}: read one run directory at a time"
        )
