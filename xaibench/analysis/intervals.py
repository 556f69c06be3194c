"""95% intervals of many means at once; those over the same images share their resamples."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np

from xaibench.analysis.stats import (
    RESAMPLES,
    SEED,
    Floats,
    bootstrap_intervals,
    unsure,
    wilson_intervals,
)

K = TypeVar("K", bound=Hashable)


class Sample(NamedTuple):
    """One quantity by image.

    images: what is the same for samples of the same images in the same order. sums: (n,) sum of
    each image's values. counts: (n,) how many these are; 1 each by default. binary: whether a
    value can only be 0 or 1.
    """

    images: Hashable
    sums: Floats
    counts: Floats | None = None
    binary: bool = False


class Interval(NamedTuple):
    """Ends of a 95% interval, None with fewer than two images.

    unsure: whether such an interval holds the mean in under 90% of the cases.
    """

    low: float | None = None
    high: float | None = None
    unsure: bool = False


def alike(keys: Iterable[K], what: Callable[[K], Hashable]) -> list[list[K]]:
    """The keys in groups for which `what` is the same, in order."""
    groups: dict[Hashable, list[K]] = {}
    for key in keys:
        groups.setdefault(what(key), []).append(key)
    return list(groups.values())


def intervals(
    samples: Mapping[K, Sample], *, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[K, Interval]:
    """The interval of each sample's mean over images, Wilson's where it is binary."""
    bounds = dict.fromkeys(samples, Interval())
    known = [key for key, sample in samples.items() if len(sample.sums) > 1]
    for members in alike(known, lambda key: (samples[key].binary, samples[key].images)):
        sums = np.stack([samples[key].sums for key in members], axis=1)
        counts = _side_by_side([samples[key].counts for key in members], sums)
        binary = samples[members[0]].binary
        if binary:
            ends = wilson_intervals(sums, counts)
        else:
            ends = bootstrap_intervals(sums, counts, resamples=resamples, seed=seed)
        marks = unsure(sums, counts, binary).tolist()
        for key, (low, high), mark in zip(members, ends.T.tolist(), marks, strict=True):
            bounds[key] = Interval(low, high, mark)
    return bounds


def _side_by_side(counts: list[Floats | None], sums: Floats) -> Floats:
    """Stack to (N, C); without memory where all counts are alike, as they nearly always are."""
    columns = [np.ones(1) if column is None else column for column in counts]
    if all(np.all(column == columns[0][0]) for column in columns):
        return np.broadcast_to(columns[0][0], sums.shape)
    return np.stack([np.broadcast_to(column, len(sums)) for column in columns], axis=1)
