"""Two runs or protocols side by side, on the images and cells that both have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xaibench.analysis.columns import COLUMNS, FAMILIES, SPECS, TARGET_NAMES, Column, natural_column
from xaibench.analysis.declared import Declared, from_values
from xaibench.analysis.header import Header, build_header
from xaibench.analysis.measure import AVERAGED, Key, groups
from xaibench.analysis.paired import ALPHA, holm, sign_flip_p
from xaibench.analysis.stats import MIN_IMAGES, RESAMPLES, SEED, bootstrap_intervals, unsure
from xaibench.errors import XaibenchError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
_ROW = [*Key._fields, "variation", "image"]


@dataclass(frozen=True)
class Source:
    """One run to report on: its name, its scores, and what its manifest says it is.

    `predictions` is the frame of `xaibench.load_predictions`, where something asks for it;
    `declared` is what its metrics mean, by default what the scores' values give away.
    """

    name: str
    scores: pd.DataFrame
    identity: Mapping[str, Any] = field(default_factory=dict)
    predictions: pd.DataFrame | None = None
    declared: Declared | None = None

    @property
    def meaning(self) -> Declared:
        """What its metrics mean: as declared, or as the values have it."""
        return self.declared or from_values(self.scores)


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
    `cells_empty` are cells of both in which no image has a usable score in both. `verdicts` says
    whether completeness was left out, a verdict in one run and a residual in the other.
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
    verdicts: bool = False


class _Pair(NamedTuple):
    """One cell in both runs: positions of its images, values in A and B (n,), rows behind each."""

    images: NDArray[np.int64]
    a: Floats
    b: Floats
    rows: int


def compare(a: Source, b: Source, *, resamples: int = RESAMPLES, seed: int = SEED) -> Compared:
    """Compare every cell that both runs have, on the images and variations that both have.

    Raises:
        XaibenchError: no scores, scores of more than one run in one source, or nothing shared.
    """
    headers = build_header(a.scores, a.declared), build_header(b.scores, b.declared)
    frames = _coded(a.scores), _coded(b.scores)
    cells = _cells(frames[0]), _cells(frames[1])
    verdicts = a.meaning.completeness != b.meaning.completeness
    if verdicts:
        # One stores a verdict, the other a residual: no difference of these means anything.
        cells = _without_verdicts(cells[0]), _without_verdicts(cells[1])
    both = set(cells[0]) & set(cells[1])
    pairs = _pairs(*frames, both)
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
        comparisons=_comparisons(pairs, left_out, resamples, seed),
        only_a=tuple(sorted(names[0] - names[1])),
        only_b=tuple(sorted(names[1] - names[0])),
        cells_a=tuple(sorted(set(cells[0]) - set(cells[1]))),
        cells_b=tuple(sorted(set(cells[1]) - set(cells[0]))),
        cells_empty=tuple(sorted(both - set(pairs))),
        images=len(names[0] & names[1]),
        verdicts=verdicts and all("completeness" in f["metric"].cat.categories for f in frames),
    )


def _without_verdicts(cells: dict[Key, int]) -> dict[Key, int]:
    return {k: n for k, n in cells.items() if k.metric != "completeness"}


def _coded(scores: pd.DataFrame) -> pd.DataFrame:
    """The columns needed, names as categories: a full run has ten million rows."""
    frame = scores[[*_ROW, "status", "value"]].copy()
    for name in (*_ROW, "status"):
        frame[name] = frame[name].astype(str).astype("category")
    return frame


def _cells(scores: pd.DataFrame) -> dict[Key, int]:
    """Every cell of a run, with its number of rows of any status."""
    counts = scores.groupby(list(Key._fields), observed=True, sort=False).size()
    names = counts.index.to_frame(index=False).astype(str).itertuples(index=False, name=None)
    return {Key(*name): int(n) for name, n in zip(names, counts, strict=True)}


def _pairs(a: pd.DataFrame, b: pd.DataFrame, cells: set[Key]) -> dict[Key, _Pair]:
    """Per-image values of the shared cells, joined on image and variation."""
    first, second = _shared(a, b)
    others = dict(groups(second))
    pairs = {}
    for key, group in groups(first):
        if key in cells:
            other = others[key]
            pairs[key] = _Pair(
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
    for name in _ROW:
        names = a[name].cat.categories.union(b[name].cat.categories)
        for codes, frame in ((first, a), (second, b)):
            codes *= max(1, len(names))
            codes += names.get_indexer(frame[name].cat.categories)[frame[name].cat.codes]
    kept = a[np.isin(first, second)], b[np.isin(second, first)]
    # Both now have the same images: the positions that `groups` gives them mean the same.
    return _used(kept[0]), _used(kept[1])


def _used(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(image=frame["image"].cat.remove_unused_categories())


def _comparisons(
    pairs: dict[Key, _Pair], left_out: dict[Key, int], resamples: int, seed: int
) -> tuple[Comparison, ...]:
    keys = sorted(pairs, key=_order)
    alike: dict[bytes, list[Key]] = {}
    for key in keys:
        alike.setdefault(pairs[key].images.tobytes(), []).append(key)
    ends: dict[Key, Floats] = {}
    raw: dict[Key, float] = {}
    marks: dict[Key, bool] = {}
    for members in alike.values():
        changes = np.stack([pairs[key].b - pairs[key].a for key in members], axis=1)
        ones = np.broadcast_to(1.0, changes.shape)
        intervals = bootstrap_intervals(changes, ones, resamples=resamples, seed=seed)
        ends.update(zip(members, intervals.T, strict=True))
        marks.update(zip(members, unsure(changes, ones).tolist(), strict=True))
        raw.update(zip(members, sign_flip_p(changes, seed=seed).tolist(), strict=True))
    adjusted = holm(np.array([raw[key] for key in keys]))
    columns = _columns(pairs)
    return tuple(
        replace(
            _comparison(key, pairs[key], columns[key.metric], ends[key], raw[key], q),
            left_out=left_out[key],
            unsure=marks[key] and len(pairs[key].images) > 1,
        )
        for key, q in zip(keys, adjusted.tolist(), strict=True)
    )


def _comparison(
    key: Key, pair: _Pair, column: Column, ends: Floats, p: float, adjusted: float
) -> Comparison:
    mean_a, mean_b = float(pair.a.mean()), float(pair.b.mean())
    low, high = sorted((column.scale * ends).tolist())  # 100 - AD% turns the interval round
    known = len(pair.images) > 1
    return Comparison(
        key=key,
        column=column,
        n=len(pair.images),
        mean_a=column.printed(mean_a),
        mean_b=column.printed(mean_b),
        difference=column.scale * float((pair.b - pair.a).mean()),
        low=low if known else None,
        high=high if known else None,
        p=p,
        adjusted=adjusted,
        left_out=0,
    )


def _columns(pairs: dict[Key, _Pair]) -> dict[str, Column]:
    """The units of every metric: the paper's where it prints the metric, else as stored."""
    largest: dict[str, float] = {}
    for key, pair in pairs.items():
        size = max(abs(float(pair.a.mean())), abs(float(pair.b.mean())))
        largest[key.metric] = max(largest.get(key.metric, 0.0), size)
    return {
        metric: natural_column(metric, size)
        if metric not in COLUMNS or metric == "completeness"
        else COLUMNS[metric]
        for metric, size in largest.items()
    }


def _order(key: Key) -> tuple[Any, ...]:
    """By target and transform, then by metric and method, all as the paper has them."""
    methods = [method for family in FAMILIES for method in family.methods]
    return (
        _place(key.target, list(TARGET_NAMES)),
        _place(key.transform, ["none", *SPECS[4].transforms]),
        _place(key.metric, list(COLUMNS)),
        _place(key.method, methods),
    )


def _place(name: str, known: list[str]) -> tuple[int, str]:
    return (known.index(name) if name in known else len(known), name)


def _differences(
    headers: tuple[Header, Header], a: Mapping[str, Any], b: Mapping[str, Any]
) -> tuple[str, ...]:
    """What the runs are of, where it is not the same: `protocol: published, reference`."""
    known = ("model", "dataset", "protocol")
    found = [
        (name, getattr(headers[0], name), getattr(headers[1], name))
        for name in known
        if getattr(headers[0], name) != getattr(headers[1], name)
    ]
    # A hash says no more than the name beside it, unless the names are the same.
    said = {name for name, _, _ in found}
    silent = {"weights_sha256": "model", "weights": "model", "layers": "model"}
    silent |= {"data_fingerprint": "dataset", "protocol_sha256": "protocol"}
    for name in sorted(set(a) & set(b) - set(known)):
        if a[name] != b[name] and silent.get(name) not in said:
            found.append((name, a[name], b[name]))
    return tuple(
        f"{name} ({_value(first)} in A, {_value(second)} in B)" for name, first, second in found
    )


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return str(value)
