"""Rules about transformed inputs: Table 4 against the same cells without a transform.

Changes are paired within images. Where a rule asks how large they are, whatever their direction,
`claims_tests.sizes` keeps noise from counting as change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from xaibench.analysis.claims.coverage import covered, without
from xaibench.analysis.claims.evidence import (
    CAM,
    FEWEST_METHODS,
    GRADIENT,
    LEARNING,
    OCCLUSION,
    SHORTS,
    Evidence,
)
from xaibench.analysis.claims.finding import UNMEASURED, UNTIL, Finding, decide, nothing_shared
from xaibench.analysis.claims.significance import above, all_of, any_of, at_least, most, sizes
from xaibench.analysis.layout import table_rows
from xaibench.analysis.measure import Key
from xaibench.analysis.stats import Floats
from xaibench.published.tables import METHODS, TABLES

METRICS = TABLES[4].metrics
TRANSFORMS = TABLES[4].transforms

MOVED = 5.0
"""Points of 100 from which something has changed: more than chance moves a mean of 1,000 images,
which is 3.1 for a 0/1 metric."""
LEAST_MEAN = 0.05
"""Points below which a mean prints as 0.0, and a change is no share of it."""
TWO_TABLES = "its Tables 1 and 4 are of 50,000 and 1,000 images"
_FAMILIES = {"gradient": GRADIENT, "CAM": CAM, "occlusion": OCCLUSION, "learning": LEARNING}


@dataclass(frozen=True)
class Shifts:
    """Changes in points from untransformed to transformed inputs.

    Attributes:
        keys: the transformed cells.
        change: (N, len(keys)) an image, N = 1 for printed means.
        plain: (len(keys),) means without a transform.
        n: images behind them; None for printed means.
        note: what the numbers cannot carry.
    """

    keys: tuple[Key, ...]
    change: Floats
    plain: Floats
    n: int | None
    note: str

    def where(self, **wanted: str | Sequence[str]) -> list[int]:
        """Positions of the cells with this method, metric or transform (or one of these)."""
        lists = {k: (v,) if isinstance(v, str) else v for k, v in wanted.items()}
        return [
            i
            for i, key in enumerate(self.keys)
            if all(getattr(key, name) in names for name, names in lists.items())
        ]

    def bounds(self, groups: Sequence[list[int]]) -> tuple[Floats, Floats, Floats]:
        """Mean sizes over groups of cells: two (N, groups) as `sizes` has them, and as seen."""
        least, largest = sizes(self.change)
        parts = [np.stack([x[:, p].mean(axis=1) for p in groups], 1) for x in (least, largest)]
        return parts[0], parts[1], parts[1].mean(axis=0)

    def centred(self) -> Shifts:
        """Every change less the mean change of its method and metric over the transforms."""
        change = self.change.copy()
        for method, metric in {(key.method, key.metric) for key in self.keys}:
            cells = self.where(method=method, metric=metric)
            change[:, cells] -= change[:, cells].mean(axis=1, keepdims=True)
        return replace(self, change=change)

    def signed(self, metric: str) -> Floats:
        """Change of the methods' mean under each transform (N, transforms)."""
        groups = [self.where(metric=metric, transform=name) for name in TRANSFORMS]
        return np.stack([self.change[:, p].mean(axis=1) for p in groups], axis=1)


def all_sensitive(evidence: Evidence) -> Finding:
    """Every method's mean size of change over metrics and transforms is `MOVED` points or more."""
    changes = shifts(evidence)
    if isinstance(changes, Finding):
        return changes
    methods = [m for m in METHODS if changes.where(method=m)]
    least, largest, seen = changes.bounds([changes.where(method=m) for m in methods])
    label = evidence.catalog.label
    low, high = int(seen.argmin()), int(seen.argmax())
    numbers = (
        f"mean size of change over metrics and transforms: least {label(methods[low])} "
        f"{seen[low]:.1f} points, most {label(methods[high])} {seen[high]:.1f}{changes.note}"
    )
    yes, no = above(least, MOVED, 100.0), above(-largest, -MOVED, 100.0)
    return decide(all_of(yes), any_of(no), changes.n, numbers)


def gradient_more(evidence: Evidence) -> Finding:
    """The gradient methods change more than those of each other family."""
    return _gradient_more(evidence, ("CAM", "occlusion", "learning"))


def gradient_vary(evidence: Evidence) -> Finding:
    """From transform to transform the gradient methods' changes differ more than the CAM ones'."""
    changes = shifts(evidence)
    if isinstance(changes, Finding):
        return changes
    names = ("gradient", "CAM")
    groups = [changes.where(method=_FAMILIES[name]) for name in names]
    if not all(groups):
        return Finding(UNMEASURED, f"a family has no scores, or too few{changes.note}")
    least, largest, seen = changes.centred().bounds(groups)
    numbers = "mean distance of a change from that of all four transforms: " + ", ".join(
        f"{name} methods {points:.1f} points" for name, points in zip(names, seen, strict=True)
    )
    yes, no = (above(least[:, [a]] - largest[:, [b]], 0, 100.0) for a, b in ((0, 1), (1, 0)))
    return decide(yes[0], no[0], changes.n, numbers + changes.note + _maps(evidence))


def cam_more_stable(evidence: Evidence) -> Finding:
    """The CAM methods change less than the gradient methods."""
    return _gradient_more(evidence, ("CAM",))


def _gradient_more(evidence: Evidence, rivals: Sequence[str]) -> Finding:
    changes = shifts(evidence)
    if isinstance(changes, Finding):
        return changes
    names = ("gradient", *rivals)
    groups = [changes.where(method=_FAMILIES[name]) for name in names]
    if not all(groups):
        return Finding(UNMEASURED, f"a family has no scores, or too few{changes.note}")
    least, largest, seen = changes.bounds(groups)
    numbers = "mean size of change: " + ", ".join(
        f"{name} methods {points:.1f} points" for name, points in zip(names, seen, strict=True)
    )
    yes = above(least[:, :1] - largest[:, 1:], 0, 100.0)
    no = above(least[:, 1:] - largest[:, :1], 0, 100.0)
    return decide(all_of(yes), any_of(no), changes.n, numbers + changes.note + _maps(evidence))


def _maps(evidence: Evidence) -> str:
    """Which of the two the maps of gradient methods are."""
    mirrored = evidence.catalog.transposed
    if mirrored is None:
        return "; whether maps are transposed on transformed inputs is not known here"
    held = {key.method for key in evidence.printed}
    mirrored = tuple(method for method in mirrored if method in held)
    names = ", ".join(row.label for row in table_rows(mirrored, evidence.catalog))
    if not names:
        return "; maps are not transposed on transformed inputs"
    return f"; the maps of {names} are transposed on transformed inputs, and scored so"


def metrics_sensitive(evidence: Evidence) -> Finding:
    """Over half of AI, AD, AG, I and D change by `MOVED` points or more in the mean size."""
    changes = shifts(evidence)
    if isinstance(changes, Finding):
        return changes
    least, largest, seen = changes.bounds([changes.where(metric=m) for m in METRICS])
    count = len(METRICS)
    yes = at_least(most(count), above(least, MOVED, 100.0))
    no = at_least(count - count // 2, above(-largest, -MOVED, 100.0))
    return decide(yes, no, changes.n, _by_metric(changes, seen))


def ag_most_stable(evidence: Evidence) -> Finding:
    """AG changes by fewer points than AI, AD, I and D."""
    changes = shifts(evidence)
    if isinstance(changes, Finding):
        return changes
    groups = [changes.where(metric=m) for m in METRICS]
    least, largest, seen = changes.bounds(groups)
    own = METRICS.index("average_gain")
    rest = [i for i in range(len(METRICS)) if i != own]
    yes = above(least[:, rest] - largest[:, [own]], 0, 100.0)
    no = above(least[:, [own]] - largest[:, rest], 0, 100.0)
    return decide(all_of(yes), any_of(no), changes.n, _by_metric(changes, seen))


def only_ag_stable(evidence: Evidence) -> Finding:
    """AG changes by less than `MOVED` points in the mean size, and AI, AD, I and D do not."""
    changes = shifts(evidence)
    if isinstance(changes, Finding):
        return changes
    least, largest, seen = changes.bounds([changes.where(metric=m) for m in METRICS])
    own = METRICS.index("average_gain")
    moved, still = above(least, MOVED, 100.0), above(-largest, -MOVED, 100.0)
    yes, no = moved.copy(), still.copy()
    yes[own], no[own] = still[own], moved[own]
    return decide(all_of(yes), any_of(no), changes.n, _by_metric(changes, seen))


def _by_metric(changes: Shifts, seen: Floats) -> str:
    """Mean sizes (metrics,) in points, and as shares of the means without a transform."""
    plain = [abs(float(changes.plain[changes.where(metric=m)].mean())) for m in METRICS]
    points = ", ".join(f"{SHORTS[m]} {x:.1f}" for m, x in zip(METRICS, seen, strict=True))
    shares = ", ".join(
        f"{SHORTS[m]} {f'{x / mean:.0%}' if mean >= LEAST_MEAN else '-'}"
        for m, x, mean in zip(METRICS, seen, plain, strict=True)
    )
    return (
        f"mean size of change in points: {points}; as a share of the untransformed mean: {shares}"
        f"{changes.note}"
    )


def i_falls_d_rises(evidence: Evidence) -> Finding:
    """In over half of the transforms the methods' mean of I falls and that of 100 - D rises."""
    changes = shifts(evidence)
    if isinstance(changes, Finding):
        return changes
    falls, rises = -changes.signed("insertion"), changes.signed("deletion")
    yes = np.stack([above(falls, 0, 100.0), above(rises, 0, 100.0)])
    no = np.stack([above(-falls, 0, 100.0), above(-rises, 0, 100.0)])
    count = len(TRANSFORMS)
    return decide(
        at_least(most(count), all_of(yes, 0)),
        at_least(count - count // 2, any_of(no, 0)),
        changes.n,
        _by_transform(falls, rises) + changes.note,
    )


def less_in_crop(evidence: Evidence) -> Finding:
    """I falls less and 100 - D rises less under crop than under each of the other transforms."""
    changes = shifts(evidence)
    if isinstance(changes, Finding):
        return changes
    crop = [TRANSFORMS.index("crop")]
    rest = [i for i in range(len(TRANSFORMS)) if i not in crop]
    falls, rises = -changes.signed("insertion"), changes.signed("deletion")
    less = np.concatenate([x[:, rest] - x[:, crop] for x in (falls, rises)], axis=1)
    numbers = _by_transform(falls, rises) + changes.note
    yes, no = above(less, 0, 100.0), above(-less, 0, 100.0)
    return decide(all_of(yes), any_of(no), changes.n, numbers)


def _by_transform(falls: Floats, rises: Floats) -> str:
    told = ", ".join(
        f"{name} {-i:+.1f} and {d:+.1f}"
        for name, i, d in zip(TRANSFORMS, falls.mean(axis=0), rises.mean(axis=0), strict=True)
    )
    return f"change of the methods' mean I and 100 - D in points: {told}"


def untransformed(key: Key) -> Key:
    """The cell that a transformed one is compared with."""
    return key._replace(transform="none")


def shifts(evidence: Evidence) -> Shifts | Finding:
    """Collect the cells of Table 4 and their untransformed partners, or say what is missing."""
    if evidence.anytime:
        return Finding(UNMEASURED, UNTIL)
    cells = {
        method: [
            key
            for metric in METRICS
            for name in TRANSFORMS
            if evidence.has(key := evidence.key(method, metric, name), evidence.key(method, metric))
        ]
        for method in METHODS
    }
    held = [key for keys in cells.values() for key in keys]
    lacking = [name for name in TRANSFORMS if not any(key.transform == name for key in held)]
    lacking += [SHORTS[name] for name in METRICS if not any(key.metric == name for key in held)]
    if lacking:
        return Finding(UNMEASURED, f"no scores of {', '.join(lacking)} beside untransformed ones")
    if evidence.cells is not None:  # printed ones lack the two in doubt
        whole = len(METRICS) * len(TRANSFORMS)
        cells = {method: keys for method, keys in cells.items() if len(keys) == whole}
    pairs = {x: [*keys, *map(untransformed, keys)] for x, keys in cells.items()}
    methods = covered(evidence, pairs, FEWEST_METHODS)
    if len(methods) < FEWEST_METHODS:
        return Finding(
            UNMEASURED, f"{len(methods)} methods have all of these, fewer than {FEWEST_METHODS}"
        )
    keys = [key for method in methods for key in cells[method]]
    values = evidence.values([*map(untransformed, keys), *keys])
    if not len(values):
        return nothing_shared()
    first, second = values[:, : len(keys)], values[:, len(keys) :]
    note = without(evidence, methods, METHODS)
    if evidence.cells is None:
        note = f"; {TWO_TABLES}, two doubtful cells left out"
    n = None if evidence.cells is None else len(values)
    return Shifts(tuple(keys), second - first, first.mean(axis=0), n, note)
