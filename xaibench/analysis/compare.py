"""Two runs or protocols side by side, on the images and cells that both have."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xaibench.analysis.accuracy import Accuracy
from xaibench.analysis.bare import from_values
from xaibench.analysis.columns import TARGET_NAMES, Column, column_of
from xaibench.analysis.header import Header, build_header
from xaibench.analysis.intervals import Interval, Sample, alike, intervals
from xaibench.analysis.layout import table_rows
from xaibench.analysis.measure import Key
from xaibench.analysis.paired import ALPHA, holm, sign_flip_p
from xaibench.analysis.pairs import Pair, cells_of, coded, pairs_of
from xaibench.analysis.stats import MIN_IMAGES, RESAMPLES, SEED
from xaibench.analysis.stopped import Stopped
from xaibench.config.catalog import Catalog
from xaibench.config.declared import shipped
from xaibench.errors import XaibenchError
from xaibench.published.tables import FORMS, TABLES

if TYPE_CHECKING:
    import pandas as pd

    from xaibench.analysis.agreement import Pair as AgreeingPair
    from xaibench.analysis.verify import Suspect


@dataclass(frozen=True)
class Source:
    """One run to report on: its name, its scores, and what its manifest says it is.

    `predictions` is the frame of `xaibench.load_predictions`, where something asks for it;
    `catalog` is what its methods and metrics declare, by default what is shipped and what the
    scores' values give away; `stopped` how it came to its images, where it stopped when sure;
    `timings` are the rows of `store.manifest.timings`; `agreement`, where it has maps, compares
    those of every two of its methods when it is called; `accuracy` is the network's, where
    known; `notes` are what else has to be said of its scores; `suspects` says of cells, when it is
    called, what of another protocol can move each; `part` which of its methods and metrics these
    are, where they are not all.
    """

    name: str
    scores: pd.DataFrame
    identity: Mapping[str, Any] = field(default_factory=dict)
    predictions: pd.DataFrame | None = None
    catalog: Catalog | None = None
    stopped: Stopped | None = None
    timings: Sequence[Mapping[str, Any]] = ()
    accuracy: Accuracy | None = None
    agreement: Callable[[], Sequence[AgreeingPair]] | None = None
    notes: Sequence[str] = ()
    suspects: Callable[[Iterable[Key]], Mapping[Key, Sequence[Suspect]]] | None = None
    part: str = ""

    @property
    def known(self) -> Catalog:
        """What its methods and metrics are: as declared, or as the values have it."""
        return self.catalog or from_values(self.scores)

    @property
    def images(self) -> list[str]:
        """The sorted names of the images."""
        return sorted(map(str, self.scores["image"].unique()))


@dataclass(frozen=True)
class Comparison:
    """One cell that both runs have, in the paper's units (`column`), over the same images.

    Attributes:
        key: method, target, transform and metric.
        column: the units, and which direction is better.
        n: images in both means.
        mean_a, mean_b: means over these images; variations are averaged within an image first.
        difference: mean of B minus A.
        low, high: its 95% interval, paired bootstrap over images; None with fewer than two.
        unsure: whether such an interval holds the difference in under 90% of the cases.
        p: two-sided, sign-flip permutation test of the per-image differences.
        adjusted: p after Holm's correction for all comparisons made.
        left_out: rows of this cell in either run that are not in the comparison.
    """

    key: Key
    column: Column
    n: int
    mean_a: float
    mean_b: float
    difference: float
    low: float | None
    high: float | None
    p: float
    adjusted: float
    left_out: int
    unsure: bool = False

    @property
    def differs(self) -> bool:
        """Whether the runs differ here: Holm-adjusted p below 0.05 on enough images."""
        return self.adjusted < ALPHA and self.n >= MIN_IMAGES


@dataclass(frozen=True)
class Compared:
    """All comparisons of two runs, and what could not be compared.

    `only_a` and `only_b` name the images that one run alone has, `cells_a` and `cells_b` the cells;
    `cells_empty` are cells of both in which no image has a usable score in both. `redefined` names
    metrics that were left out, with what their means are in A and in B (keys of `catalog.MEANS`).
    `stopped`: whether either stopped when sure, which these p-values do not allow for.
    """

    names: tuple[str, str]
    headers: tuple[Header, Header]
    differences: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    cells_a: tuple[Key, ...]
    cells_b: tuple[Key, ...]
    cells_empty: tuple[Key, ...]
    images: int
    redefined: tuple[tuple[str, str, str], ...] = ()
    stopped: bool = False
    catalog: Catalog = field(default_factory=shipped)


def _header(run: Source) -> Header:
    return build_header(run.scores, run.catalog, run.identity)


def compare(a: Source, b: Source, *, resamples: int = RESAMPLES, seed: int = SEED) -> Compared:
    """Compare every cell that both runs have, on the images and variations that both have.

    Raises:
        XaibenchError: no scores, scores of more than one run in one source, or nothing shared.
    """
    headers = _header(a), _header(b)
    frames = coded(a.scores), coded(b.scores)
    cells = cells_of(frames[0]), cells_of(frames[1])
    known = a.known, b.known
    redefined = {
        metric: (one.title, one.mean, two.mean)
        for metric in dict.fromkeys(key.metric for held in cells for key in held)
        if (one := known[0].metric(metric)).mean != (two := known[1].metric(metric)).mean
    }
    # No difference of a verdict and a residual means anything.
    cells = _without(cells[0], redefined), _without(cells[1], redefined)
    both = set(cells[0]) & set(cells[1])
    pairs = pairs_of(*frames, both)
    if not pairs:
        raise XaibenchError(
            f"{a.name} and {b.name} share no cell on the same images: score the same methods, "
            "metrics and images in both, then compare."
        )
    names = [set(frame["image"].cat.categories) for frame in frames]
    left_out = {k: cells[0][k] + cells[1][k] - 2 * pair.rows for k, pair in pairs.items()}
    return Compared(
        names=(a.name, b.name),
        headers=headers,
        differences=_differences(headers, a.identity, b.identity),
        comparisons=_comparisons(pairs, left_out, known[0], resamples, seed),
        only_a=tuple(sorted(names[0] - names[1])),
        only_b=tuple(sorted(names[1] - names[0])),
        cells_a=tuple(sorted(set(cells[0]) - set(cells[1]))),
        cells_b=tuple(sorted(set(cells[1]) - set(cells[0]))),
        cells_empty=tuple(sorted(both - set(pairs))),
        images=len(names[0] & names[1]),
        redefined=tuple(
            told
            for metric, told in redefined.items()
            if all(metric in frame["metric"].cat.categories for frame in frames)
        ),
        stopped=bool(a.stopped or b.stopped),
        catalog=known[0].over(known[1]),
    )


def _without(cells: dict[Key, int], metrics: Container[str]) -> dict[Key, int]:
    return {k: n for k, n in cells.items() if k.metric not in metrics}


def _comparisons(
    pairs: dict[Key, Pair], left_out: dict[Key, int], catalog: Catalog, resamples: int, seed: int
) -> tuple[Comparison, ...]:
    methods = [row.method for row in table_rows((key.method for key in pairs), catalog)]
    keys = sorted(pairs, key=lambda key: (*_order(key), methods.index(key.method)))
    samples = {k: Sample(pairs[k].images.tobytes(), pairs[k].b - pairs[k].a) for k in keys}
    ends = intervals(samples, resamples=resamples, seed=seed)
    raw: dict[Key, float] = {}
    for members in alike(keys, lambda key: samples[key].images):
        changes = np.stack([samples[key].sums for key in members], axis=1)
        raw.update(zip(members, sign_flip_p(changes, seed=seed).tolist(), strict=True))
    adjusted = holm(np.array([raw[key] for key in keys]))
    columns = _columns(pairs, catalog)
    return tuple(
        replace(
            _comparison(key, pairs[key], columns[key.metric], ends[key]),
            p=raw[key],
            adjusted=q,
            left_out=left_out[key],
        )
        for key, q in zip(keys, adjusted.tolist(), strict=True)
    )


def _comparison(key: Key, pair: Pair, column: Column, interval: Interval) -> Comparison:
    low, high, mark = interval
    if low is not None and high is not None:
        low, high = sorted((column.scale * low, column.scale * high))  # 100 - AD% turns it round
    return Comparison(
        key=key,
        column=column,
        n=len(pair.images),
        mean_a=column.printed(float(pair.a.mean())),
        mean_b=column.printed(float(pair.b.mean())),
        difference=column.scale * float((pair.b - pair.a).mean()),
        low=low,
        high=high,
        p=1.0,
        adjusted=1.0,
        left_out=0,
        unsure=mark,
    )


def _columns(pairs: dict[Key, Pair], catalog: Catalog) -> dict[str, Column]:
    """The units of every metric: the paper's where it prints the metric, else as stored."""
    largest: dict[str, float] = {}
    for key, pair in pairs.items():
        size = max(abs(float(pair.a.mean())), abs(float(pair.b.mean())))
        largest[key.metric] = max(largest.get(key.metric, 0.0), size)
    return {metric: column_of(metric, catalog, size) for metric, size in largest.items()}


def _order(key: Key) -> tuple[Any, ...]:
    """By target, transform and metric, as the paper has them."""
    return (
        _rank(key.target, TARGET_NAMES),
        _rank(key.transform, ["none", *TABLES[4].transforms]),
        _rank(key.metric, FORMS),
    )


def _rank(name: str, order: Iterable[str]) -> tuple[int, str]:
    known = list(order)
    return (known.index(name) if name in known else len(known), name)


def _differences(
    headers: tuple[Header, Header], a: Mapping[str, Any], b: Mapping[str, Any]
) -> tuple[str, ...]:
    """What the runs are of, where it is not the same: `protocol: published, reference`."""
    known = ("model", "dataset", "protocol")
    differing = [
        (name, getattr(headers[0], name), getattr(headers[1], name))
        for name in known
        if getattr(headers[0], name) != getattr(headers[1], name)
    ]
    # A hash says no more than the name beside it, unless the names are the same.
    said = {name for name, _, _ in differing}
    silent = {"weights_sha256": "model", "weights": "model", "layers": "model"}
    silent |= {"data_fingerprint": "dataset", "protocol_sha256": "protocol"}
    for name in sorted(set(a) & set(b) - set(known)):
        if a[name] != b[name] and silent.get(name) not in said:
            differing.append((name, a[name], b[name]))
    return tuple(
        f"{name} ({_value(first)} in A, {_value(second)} in B)" for name, first, second in differing
    )


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return str(value)
