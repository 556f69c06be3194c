"""The decision rules behind the claims: evidence in, finding out.

Every rule names its thresholds, says what it cannot do without, and can come out either way. A
rule works on arrays whose first axis is (as measured, then bootstrap resamples).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xaibench.report.claims_evidence import (
    CAM,
    CONTROL,
    GRADIENT,
    METHODS,
    PERTURBATION,
    UNMEASURED,
    Bools,
    Evidence,
    Finding,
    Floats,
    decide,
    every,
    with_resamples,
)
from xaibench.report.columns import COLUMNS, METHOD_NAMES, SPECS

FIDELITY = SPECS[1].metrics
CONSTANT = 0.01
"""Sensitivity above which a map has changed: a constant one gives 0, noise of float32 far less."""
RESIDUAL = 0.01
"""Relative residual within which attributions are complete (PROTOCOL.md, metric completeness)."""
PASSES = 0.95
"""Share of images on which a method that meets completeness must pass: an axiom, save numerics."""


def gradient_weak(evidence: Evidence) -> Finding:
    """Every gradient method below every CAM and perturbation method in over half the metrics."""
    others = (*CAM, *PERTURBATION)
    means, n, gap = _means(evidence, (*GRADIENT, *others), FIDELITY)
    if gap:
        return gap
    below = means[GRADIENT].max(axis=1) < means[others].min(axis=1)  # (1 + R, metrics)
    numbers = f"all three below every CAM and perturbation method in {_in(below[0], FIDELITY)}"
    return decide(_most(below), n, numbers)


def cam_best(evidence: Evidence) -> Finding:
    """A CAM method or Fake-CAM leads over half the metrics, and Fake-CAM itself is among them."""
    rivals = (*GRADIENT, *PERTURBATION)
    means, n, gap = _means(evidence, METHODS, FIDELITY)
    if gap:
        return gap
    best = means[rivals].max(axis=1)
    leads = means[(CONTROL, *CAM)].max(axis=1) > best
    fake = means[(CONTROL,)].max(axis=1) > best
    numbers = (
        f"one of them leads in {_in(leads[0], FIDELITY)}; Fake-CAM is ahead of every gradient and "
        f"perturbation method in {_in(fake[0], FIDELITY)}"
    )
    return decide(_most(leads) & fake.any(axis=1), n, numbers)


def not_fooled(evidence: Evidence) -> Finding:
    """Fake-CAM below every CAM method in both AG and I."""
    metrics = ("average_gain", "insertion")
    means, n, gap = _means(evidence, (CONTROL, *CAM), metrics)
    if gap:
        return gap
    below = means[(CONTROL,)].max(axis=1) < means[CAM].min(axis=1)
    told = "; ".join(
        f"{COLUMNS[metric].short}: Fake-CAM {means[(CONTROL,)][0, 0, i]:.1f}, lowest CAM "
        f"{means[CAM][0, :, i].min():.1f}"
        for i, metric in enumerate(metrics)
    )
    rest = [m for m in FIDELITY if m not in metrics and len(evidence.methods([m])) == len(METHODS)]
    also, _, missing = _means(evidence, (CONTROL, *CAM), rest)
    if rest and not missing:
        others = also[(CONTROL,)].max(axis=1) < also[CAM].min(axis=1)
        told += f"; of the others, by the same rule not fooled: {_in(others[0], rest)}"
    return decide(every(below), n, told)


def completeness(evidence: Evidence) -> Finding:
    """No method passes on `PASSES` of its images."""
    keys = [k for m in METHODS if evidence.has(k := evidence.key(m, "completeness"))]
    if evidence.cells is None:
        return Finding(UNMEASURED, "the paper says in its text that all fail, and prints no column")
    if not keys:
        return Finding(UNMEASURED, "no scores of completeness")
    values = evidence.values(keys)
    if not len(values):
        return Finding(UNMEASURED, "no image has a usable score for every method", 0)
    verdicts = evidence.protocol == "published"
    passed = with_resamples(
        np.asarray(values == 1 if verdicts else values <= RESIDUAL, dtype=np.float64),
        evidence.resamples,
    )
    best = int(passed[0].argmax())
    what = "exact sums" if verdicts else f"relative residual to {RESIDUAL:.0%}"
    numbers = f"{what}: none of {len(keys)} methods passes on any image"
    if passed[0, best] or len(keys) == 1:
        name = METHOD_NAMES[keys[best].method]
        rest = f", the most of {len(keys)} methods" if len(keys) > 1 else ", the only one tested"
        numbers = f"{what}: {name} passes on {passed[0, best]:.0%} of the images{rest}"
    return decide(every(passed < PASSES), len(values), numbers)


def sensitivity_of_others(evidence: Evidence) -> Finding:
    """Fake-CAM, which never changes, has a sensitivity above `CONSTANT`."""
    metrics = ("max_sensitivity", "avg_sensitivity")
    means, n, gap = _means(evidence, (CONTROL,), metrics)
    if gap:
        return gap
    fake = means[(CONTROL,)][:, 0, :]
    numbers = f"Fake-CAM's MS {fake[0, 0]:.2f}, AS {fake[0, 1]:.2f}; a constant map's own are 0"
    return decide(every(fake > CONSTANT), n, numbers)


class _Means:
    """Means by method: `means[names]` is (1 + R, len(names), metrics)."""

    def __init__(self, means: Floats, methods: Sequence[str]) -> None:
        self.means, self.place = means, {name: i for i, name in enumerate(methods)}

    def __getitem__(self, names: Sequence[str]) -> Floats:
        return self.means[:, [self.place[name] for name in names]]


def _means(
    evidence: Evidence, methods: Sequence[str], metrics: Sequence[str]
) -> tuple[_Means, int | None, Finding | None]:
    """Means of all these cells on their common images, or the finding that some are missing."""
    missing = missing_cells(evidence, methods, metrics)
    if missing or not metrics:
        return _Means(np.empty((1, 0, 0)), ()), None, missing
    sample = evidence.sample([evidence.key(m, metric) for m in methods for metric in metrics])
    if sample.n == 0:
        nothing = Finding(UNMEASURED, "no image has a usable score in every cell needed", 0)
        return _Means(np.empty((1, 0, 0)), ()), 0, nothing
    shaped = sample.means.reshape(len(sample.means), len(methods), len(metrics))
    return _Means(shaped, methods), sample.n, None


def missing_cells(
    evidence: Evidence, methods: Sequence[str], metrics: Sequence[str]
) -> Finding | None:
    """The finding that some cells have no scores, or None."""
    lacking = [m for m in metrics if not all(evidence.has(evidence.key(x, m)) for x in methods)]
    if not lacking:
        return None
    absent = [x for x in methods if not any(evidence.has(evidence.key(x, m)) for m in lacking)]
    which = ", ".join(METHOD_NAMES[x] for x in absent) or "some methods"
    short = ", ".join(COLUMNS[m].short for m in lacking)
    return Finding(UNMEASURED, f"no scores of {short} for {which}")


def _most(where: Bools) -> Bools:
    """Whether more than half of the metrics (last axis) answer yes."""
    return where.sum(axis=-1) * 2 > where.shape[-1]


def _in(where: Bools, metrics: Sequence[str]) -> str:
    yes = [COLUMNS[m].short for m, there in zip(metrics, where, strict=True) if there]
    return f"{len(yes)} of {len(metrics)} metrics" + f" ({', '.join(yes)})" * bool(yes)
