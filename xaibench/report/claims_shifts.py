"""The claims about transformed inputs: Table 4 against the same cells without a transform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xaibench.report.claims_evidence import (
    FEWEST_METHODS,
    METHODS,
    UNMEASURED,
    Evidence,
    Finding,
    Floats,
    decide,
    every,
)
from xaibench.report.columns import COLUMNS, METHOD_NAMES, SPECS
from xaibench.report.measure import Key

METRICS = SPECS[4].metrics
TRANSFORMS = SPECS[4].transforms

MOVED = 5.0
"""Points of 100: more than chance moves a mean of 1,000 images, which is 3.1 for a 0/1 metric."""


@dataclass(frozen=True)
class Shifts:
    """Changes of means, in points, from untransformed to transformed inputs.

    Attributes:
        keys: the transformed cells.
        plain, moved: (1 + R, len(keys)) means without and with the transform.
        n: images behind them; None for printed means.
        note: what the numbers cannot carry.
    """

    keys: tuple[Key, ...]
    plain: Floats
    moved: Floats
    n: int | None
    note: str

    def means(self, by: Callable[[Key], str]) -> dict[str, Floats]:
        """Mean absolute change (1 + R,) over all cells that share what `by` names."""
        change = np.abs(self.moved - self.plain)
        return {name: change[:, where].mean(axis=1) for name, where in self._places(by).items()}

    def relative(self, by: Callable[[Key], str]) -> dict[str, float]:
        """Mean absolute change as a share of the mean untransformed value, as measured."""
        change = np.abs(self.moved - self.plain)[0]
        return {
            name: float(change[where].mean() / max(abs(self.plain[0, where].mean()), 1e-12))
            for name, where in self._places(by).items()
        }

    def _places(self, by: Callable[[Key], str]) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for index, key in enumerate(self.keys):
            places.setdefault(by(key), []).append(index)
        return places


def transforms_move(evidence: Evidence) -> Finding:
    """Every method's fidelity moves by `MOVED` points on average over metrics and transforms."""
    found = shifts(evidence)
    if isinstance(found, Finding):
        return found
    moved = found.means(by=lambda key: key.method)
    points = {METHOD_NAMES[name]: float(m[0]) for name, m in moved.items()}
    least, most = min(points, key=points.__getitem__), max(points, key=points.__getitem__)
    numbers = (
        f"mean change over metrics and transforms: least {least} {points[least]:.1f} points, most "
        f"{most} {points[most]:.1f}"
    )
    all_moved = every(np.stack(list(moved.values()), axis=1) >= MOVED)
    return decide(all_moved, found.n, numbers + found.note)


def ag_most_stable(evidence: Evidence) -> Finding:
    """AG moves by fewer points than every other metric of Table 4."""
    found = shifts(evidence)
    if isinstance(found, Finding):
        return found
    moved = found.means(by=lambda key: key.metric)
    others = np.stack([m for name, m in moved.items() if name != "average_gain"], axis=1)
    points = ", ".join(f"{COLUMNS[name].short} {m[0]:.1f}" for name, m in moved.items())
    shares = found.relative(by=lambda key: key.metric)
    relative = ", ".join(f"{COLUMNS[name].short} {part:.0%}" for name, part in shares.items())
    numbers = f"mean change in points: {points}; as a share of the untransformed mean: {relative}"
    return decide(moved["average_gain"] < others.min(axis=1), found.n, numbers + found.note)


def shifts(evidence: Evidence) -> Shifts | Finding:
    """Collect the cells of Table 4 and their untransformed partners, or say what is missing."""
    keys = [
        key
        for method in METHODS
        for metric in METRICS
        for name in TRANSFORMS
        if evidence.has(key := evidence.key(method, metric, name), evidence.key(method, metric))
    ]
    lacking = [name for name in TRANSFORMS if not any(key.transform == name for key in keys)]
    lacking += [
        COLUMNS[name].short for name in METRICS if not any(key.metric == name for key in keys)
    ]
    methods = {key.method for key in keys}
    if lacking:
        return Finding(UNMEASURED, f"no scores of {', '.join(lacking)} beside untransformed ones")
    if len(methods) < FEWEST_METHODS:
        return Finding(UNMEASURED, f"{len(methods)} methods, fewer than {FEWEST_METHODS}")
    plain = [key._replace(transform="none") for key in keys]
    sample = evidence.sample([*plain, *keys])
    if sample.n == 0:
        return Finding(UNMEASURED, "no image has a usable score in every cell needed", 0)
    note = ""
    if sample.n is None:
        note = "; its Tables 1 and 4 are of 50,000 and 1,000 images, two doubtful cells left out"
    elif len(methods) < len(METHODS):
        note = f"; {len(methods)} of {len(METHODS)} methods"
    first, second = sample.means[:, : len(keys)], sample.means[:, len(keys) :]
    return Shifts(tuple(keys), first, second, sample.n, note)
