"""Agreement of methods: means over images, with intervals, of what every two maps share."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xaibench.analysis.intervals import Sample, intervals
from xaibench.analysis.layout import table_rows
from xaibench.config.catalog import Catalog
from xaibench.config.declared import shipped

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """What every two of M methods share on each of N images; P = M (M - 1) / 2 pairs.

    Attributes:
        methods: M specs; pair p is the p-th of `pair_places(M)`.
        target: the explained class.
        images: N ids.
        correlation: (N, P) Spearman's correlation of the maps' pixels; NaN where undefined.
        overlap: (N, P) shared part of the top pixels; NaN where undefined.
        constant: (N, P) undefined because a map is constant.
        top: share of the pixels that counts as the top.
        pixels: how many pixels that is.
        catalog: what the methods declare.
    """

    methods: tuple[str, ...]
    target: str
    images: list[str]
    correlation: Floats
    overlap: Floats
    constant: NDArray[np.bool_]
    top: float
    pixels: int
    catalog: Catalog = field(default_factory=shipped)


@dataclass(frozen=True)
class Mean:
    """A mean over images and its 95% bootstrap interval; NaN where there is none."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Pair:
    """Two methods: over `n` images; `n_constant` are left out because a map is constant."""

    first: str
    second: str
    correlation: Mean
    overlap: Mean
    n: int
    n_constant: int


def pair_places(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of the first and the second method of every pair of `count` methods."""
    return np.triu_indices(count, 1)


def summarise(agreement: Agreement) -> list[Pair]:
    """Return the pairs, methods in the paper's order, the highest correlation first."""
    methods = agreement.methods
    ranks = {row.method: i for i, row in enumerate(table_rows(methods, agreement.catalog))}
    rho, share = _means(agreement.correlation), _means(agreement.overlap)
    pairs = []
    for p, (i, j) in enumerate(zip(*pair_places(len(methods)), strict=True)):
        first, second = sorted((methods[i], methods[j]), key=ranks.__getitem__)
        n = int(np.isfinite(agreement.correlation[:, p]).sum())
        pairs.append(Pair(first, second, rho[p], share[p], n, int(agreement.constant[:, p].sum())))
    return sorted(pairs, key=lambda pair: _order(pair, ranks))


def _order(pair: Pair, ranks: dict[str, int]) -> tuple[bool, float, int, int]:
    mean = pair.correlation.mean
    undefined = bool(np.isnan(mean))
    return undefined, 0.0 if undefined else -mean, ranks[pair.first], ranks[pair.second]


def _means(values: Floats) -> list[Mean]:
    """Mean and interval of each column of values (N, P) over the rows where it is defined."""
    defined = np.isfinite(values)
    samples = {
        column: Sample(rows.tobytes(), values[rows, column])
        for column, rows in enumerate(defined.T)
        if rows.any()
    }
    means = [Mean(np.nan, np.nan, np.nan)] * values.shape[1]
    for column, ends in intervals(samples).items():
        mean = float(samples[column].sums.mean())
        means[column] = Mean(mean, *(np.nan if end is None else end for end in ends[:2]))
    return means
