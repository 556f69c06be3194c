"""Which method to choose: the methods of one run against each other, image by image.

Two methods meet on every image by every metric of a group (fidelity, complexity, ...): the better
value wins, equal ones share. A method's rank is 1 plus what it loses to each of the others; whether
it beats another is a sign-flip permutation test over images of what it wins more than it loses,
corrected by Holm for all pairs and groups. docs/statistics.md says how often that names a winner
among equals.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from xaibench.analysis.choice import Choice, Duel, Rank, Standing
from xaibench.analysis.columns import TARGET_NAMES
from xaibench.analysis.compare import Source
from xaibench.analysis.effects import ROUNDING, differences
from xaibench.analysis.intervals import Sample, intervals
from xaibench.analysis.layout import table_rows
from xaibench.analysis.measure import Group, Key, groups
from xaibench.analysis.paired import holm, sign_flip_p
from xaibench.analysis.stats import RESAMPLES, SEED, Floats
from xaibench.analysis.timings import spent
from xaibench.config.catalog import CONTROL, STAND_IN, STOOD_IN, Catalog
from xaibench.config.specs import key_of
from xaibench.errors import XaibenchError


def choose(source: Source, *, resamples: int = RESAMPLES, seed: int = SEED) -> Choice:
    """The methods of a run against each other, on untouched images for its first target.

    Raises:
        XaibenchError: there are no scores of untouched images, or scores of more than one run.
    """
    scores, catalog = source.scores, source.known
    plain = scores[scores["transform"] == "none"]
    target = next((t for t in TARGET_NAMES if t in set(plain["target"])), "")
    if not target:
        raise XaibenchError(
            f"{source.name} has no scores of untouched images: start with `xaibench run`."
        )
    plain = plain[plain["target"] == target]
    cells = {key: group for key, group in groups(plain) if len(group.images)}
    methods = [row.method for row in table_rows((key.method for key in cells), catalog)]
    by_group = _by_group(cells, catalog)
    fields = {name: _field(name, methods, cells, by_group[name], catalog) for name in by_group}
    controls = tuple(m for m in methods if catalog.method(m).family == CONTROL)
    duels, ranks = _meet(fields, controls, resamples, seed)
    device, seconds = _seconds(source, methods)
    return Choice(
        target=target,
        images=int(plain["image"].nunique()),
        methods=tuple(m for m in methods if m not in controls),
        controls=controls,
        standings=tuple(
            Standing(f.group, f.metrics, len(f.images), ranks[name], f.left_out)
            for name, f in fields.items()
        ),
        duels=duels,
        seconds=seconds,
        device=device,
        agreement=tuple(source.agreement()) if source.agreement else (),
        stopped=bool(source.stopped),
        catalog=catalog,
        lost=tuple(sorted(set(map(str, plain["method"].unique())) - set(methods))),
    )


@dataclass(frozen=True)
class _Field:
    """Where methods meet: values (n, k, m) of n images, k methods and m metrics, higher better."""

    group: str
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    images: np.ndarray
    values: Floats
    left_out: Mapping[str, str]


def _by_group(cells: Iterable[Key], catalog: Catalog) -> dict[str, list[str]]:
    """The metrics by their group, in the catalog's order; those of none under "other"."""
    found = list(dict.fromkeys(key.metric for key in cells))
    order = {key: i for i, key in enumerate(catalog.metrics)}
    found.sort(key=lambda metric: (order.get(key_of(metric), len(order)), metric))
    named: dict[str, list[str]] = {}
    for metric in found:
        named.setdefault(catalog.metric(metric).group or "other", []).append(metric)
    return named


def _field(
    name: str,
    methods: Sequence[str],
    cells: Mapping[Key, Group],
    metrics: Sequence[str],
    catalog: Catalog,
) -> _Field:
    held = {(key.method, key.metric): group for key, group in cells.items()}
    some = [m for m in methods if any((m, metric) in held for metric in metrics)]
    left_out = {}
    for metric in metrics:
        declared = catalog.metric(metric)
        lacking = [catalog.label(m) for m in some if (m, metric) not in held]
        if declared.direction == "none":
            left_out[metric] = "no value of it is better than another"
        elif declared.explains == STAND_IN:
            left_out[metric] = STOOD_IN
        elif lacking:
            left_out[metric] = f"not scored for {', '.join(lacking)}"
    counted = [metric for metric in metrics if metric not in left_out]
    some = [m for m in some if not any(catalog.settled(metric, m) for metric in counted)]
    some = some if counted else []
    shared: set[int] | None = None
    for pair in ((m, metric) for m in some for metric in counted):
        found = set(held[pair].images.tolist())
        shared = found if shared is None else shared & found
    images = np.array(sorted(shared or ()), dtype=np.int64)
    values = np.empty((len(images), len(some), len(counted)))
    for j, method in enumerate(some):
        for i, metric in enumerate(counted):
            one = held[method, metric]
            places = np.searchsorted(one.images, images)
            mean = one.sums[places] / one.counts[places]
            values[:, j, i] = mean if catalog.metric(metric).direction == "higher" else -mean
    near = np.isclose(values, values[:, :1], rtol=ROUNDING, atol=ROUNDING)
    alike = np.asarray(near.all(axis=(0, 1))).tolist()
    if counted and not len(images):
        left_out |= dict.fromkeys(counted, "no image that all methods have")
    elif len(some) > 1:
        same = "every method has the same values"
        left_out |= {metric: same for metric, one in zip(counted, alike, strict=True) if one}
    kept = [i for i, metric in enumerate(counted) if metric not in left_out]
    counted = [counted[i] for i in kept]
    some = some if counted else []
    images = images if counted else images[:0]
    values = values[: len(images), : len(some), kept]
    return _Field(name, tuple(some), tuple(counted), images, values, left_out)


def _meet(
    fields: Mapping[str, _Field], controls: Collection[str], resamples: int, seed: int
) -> tuple[tuple[Duel, ...], dict[str, dict[str, Rank]]]:
    """Every two methods of each group but two controls, and the ranks that come of it."""
    samples: dict[tuple[str, ...], Sample] = {}
    p: dict[tuple[str, str, str], float] = {}
    for name, held in fields.items():
        images, count = held.images.tobytes(), len(held.methods)
        if not len(held.images):
            continue
        ranks = np.ones((len(held.images), count))
        more = {}
        for a, b in combinations(range(count), 2):
            won = wins(held.values[:, a], held.values[:, b])
            ranks[:, a] += (1.0 - won) / 2.0
            ranks[:, b] += (1.0 + won) / 2.0
            pair = held.methods[a], held.methods[b]
            if not set(pair) <= set(controls):
                more[name, *pair] = won
        if more:
            tested = sign_flip_p(np.stack(list(more.values()), axis=1), seed=seed)
            p.update(zip(more, tested.tolist(), strict=True))
        samples |= {key: Sample(images, (1.0 + won) / 2.0) for key, won in more.items()}
        samples |= {(name, m): Sample(images, ranks[:, j]) for j, m in enumerate(held.methods)}
    ends = intervals(samples, resamples=resamples, seed=seed)
    adjusted = dict(zip(p, holm(np.array(list(p.values()))).tolist(), strict=True))
    means = {key: float(sample.sums.mean()) for key, sample in samples.items()}
    duels = tuple(
        Duel(
            *key,
            n=len(fields[key[0]].images),
            share=means[key],
            interval=ends[key],
            p=raw,
            adjusted=adjusted[key],
        )
        for key, raw in p.items()
    )
    standing: dict[str, dict[str, Rank]] = {name: {} for name in fields}
    for key in samples:
        if len(key) == 2:
            standing[key[0]][key[1]] = Rank(means[key], ends[key])
    return duels, standing


def wins(a: Floats, b: Floats) -> Floats:
    """What a (n, m) wins of m values more than it loses to b, by image: (n,) from -1 to 1.

    Values within rounding of each other are equal.
    """
    return np.asarray(np.sign(differences(a, b)).mean(axis=1), dtype=np.float64)


def _seconds(source: Source, methods: Sequence[str]) -> tuple[str, dict[str, float]]:
    """The device on which most of the methods were timed, and seconds a map there."""
    rows = [row for row in spent(source.timings) if row.method in methods and row.explain]
    devices = [row.device for row in rows]
    if not devices:
        return "", {}
    device = max(dict.fromkeys(devices), key=devices.count)
    return device, {r.method: float(r.explain) for r in rows if r.device == device and r.explain}
