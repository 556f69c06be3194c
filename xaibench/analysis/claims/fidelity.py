"""Rules for the takeaways on Tables 1 and 2: which methods lead in which fidelity metrics."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np

from xaibench.analysis.claims.evidence import (
    CAM,
    CONTROL,
    GRADIENT,
    LEARNING,
    OCCLUSION,
    SHORTS,
    Block,
    Evidence,
    in_print,
)
from xaibench.analysis.claims.finding import Finding, decide, nothing_shared
from xaibench.analysis.claims.significance import above, all_of, any_of, at_least, most, names_where
from xaibench.analysis.stats import Bools, Floats
from xaibench.published.tables import METHODS, TABLES

FIDELITY = TABLES[1].metrics
REACH = {metric: 2.0 if metric == "monotonicity" else 100.0 for metric in FIDELITY}
"""The largest difference possible, in the paper's units."""
SLIGHT = 5.0
"""Points that a slight decrease stays under: what counts as a change under transforms."""
TENTH = 0.1
"""Share of the ground truth's mean that an "extremely lower" one is under."""


def gradient_weak(evidence: Evidence) -> Finding:
    """All gradient methods below all of the other families in over half of the metrics."""
    others = (*CAM, *OCCLUSION, *LEARNING)
    block = evidence.block((*GRADIENT, *others), FIDELITY)
    if isinstance(block, Finding):
        return block
    ahead = _pairs(block[others], block[GRADIENT])  # (N, pairs, metrics)
    yes, no = _p(ahead, block), _p(-ahead, block)
    below = (ahead.mean(axis=0) > 0).all(axis=0)
    numbers = (
        "all three below every CAM, occlusion and learning method in "
        f"{names_where(below, block.shorts)} metrics"
    )
    return _in_most(all_of(yes, 0), any_of(no, 0), block.n, numbers)


def cam_best(evidence: Evidence) -> Finding:
    """The CAM methods' mean above those of the three other families in over half of the metrics."""
    return _leads(evidence, CAM, "the CAM methods' mean")


def fake_cam_best(evidence: Evidence) -> Finding:
    """Fake-CAM above the means of the three other families in over half of the metrics."""
    return _leads(evidence, (CONTROL,), "Fake-CAM")


def _leads(evidence: Evidence, whose: tuple[str, ...], words: str) -> Finding:
    rivals = (GRADIENT, OCCLUSION, LEARNING)
    block = evidence.block((*whose, *chain.from_iterable(rivals)), FIDELITY)
    if isinstance(block, Finding):
        return block
    own = block[whose].mean(axis=1)
    ahead = np.stack([own - block[family].mean(axis=1) for family in rivals], 1)
    leads = (ahead.mean(axis=0) > 0).all(axis=0)
    numbers = (
        f"{words} is ahead of those of the gradient, occlusion and learning methods in "
        f"{names_where(leads, block.shorts)} metrics"
    )
    yes, no = _p(ahead, block), _p(-ahead, block)
    return _in_most(all_of(yes, 0), any_of(no, 0), block.n, numbers)


def _in_most(yes: Floats, no: Floats, n: int | None, numbers: str) -> Finding:
    """More than half of the metrics; its contrary is that half of them or more do not."""
    count = len(yes)
    return decide(at_least(most(count), yes), at_least(count - count // 2, no), n, numbers)


def ag_i_not_fooled(evidence: Evidence) -> Finding:
    """Fake-CAM below every CAM method in AG and in I."""
    return _not_fooled(evidence, ("average_gain", "insertion"))


def d_not_fooled(evidence: Evidence) -> Finding:
    """Fake-CAM below every CAM method in D; with ties at random where that was scored, as well."""
    found = _not_fooled(evidence, ("deletion",))
    return replace(found, numbers=found.numbers + _at_random(evidence, found.n))


def _at_random(evidence: Evidence, n: int | None) -> str:
    """Fake-CAM's D and that of CAM methods, where equal pixels were taken at random.

    On the images that these share; told where they are not n.
    """
    every = {m: evidence.key(m, "deletion(ties='random')") for m in (CONTROL, *CAM)}
    keys = {method: key for method, key in every.items() if evidence.has(key)}
    values = evidence.values(list(keys.values())) if CONTROL in keys and len(keys) > 1 else ()
    if not len(values):
        return ""
    means = in_print("deletion", np.mean(values, axis=0))
    told = ", ".join(
        f"{evidence.catalog.label(m)} {mean:.1f}" for m, mean in zip(keys, means, strict=True)
    )
    few = f" (on {len(values)} images)" * (len(values) != n)
    return f"; where equal pixels are taken at random: {told}{few}"


def _not_fooled(evidence: Evidence, metrics: tuple[str, ...]) -> Finding:
    block = evidence.block((CONTROL, *CAM), metrics)
    if isinstance(block, Finding):
        return block
    ahead = _pairs(block[CAM], block[(CONTROL,)])
    means = block.values.mean(axis=0)
    numbers = "; ".join(
        f"{short}: Fake-CAM {means[0, i]:.1f}, lowest CAM {means[1:, i].min():.1f}"
        for i, short in enumerate(block.shorts)
    )
    return decide(all_of(_p(ahead, block)), any_of(_p(-ahead, block).ravel()), block.n, numbers)


def fake_top_two(evidence: Evidence) -> Finding:
    """In AI and in AD at most one method is above Fake-CAM."""
    return _top_two(evidence, ("average_increase", "average_drop"))


def fake_top_two_in_m(evidence: Evidence) -> Finding:
    """In M at most one method is above Fake-CAM."""
    return _top_two(evidence, ("monotonicity",))


def _top_two(evidence: Evidence, metrics: tuple[str, ...]) -> Finding:
    block = evidence.block(METHODS, metrics)
    if isinstance(block, Finding):
        return block
    others = [name for name in METHODS if name != CONTROL]
    ahead = _pairs(block[(CONTROL,)], block[others])  # Fake-CAM minus each of nine
    ranks = 1 + (ahead.mean(axis=0) < 0).sum(axis=0)
    numbers = "Fake-CAM's place: " + ", ".join(
        f"{short} {rank}" for short, rank in zip(block.shorts, ranks, strict=True)
    )
    yes = at_least(len(others) - 1, _p(ahead, block), axis=0)
    no = at_least(2, _p(-ahead, block), axis=0)
    return decide(all_of(yes), any_of(no), block.n, numbers)


def _pairs(first: Floats, second: Floats) -> Floats:
    """Every method of the first less every one of the second: (N, pairs, metrics)."""
    apart = first[:, :, None] - second[:, None]
    return apart.reshape(len(first), -1, first.shape[2])


def _p(differences: Floats, block: Block, margin: float = 0.0) -> Floats:
    """p-values (pairs, metrics) that mean differences (N, pairs, metrics) exceed the margin."""
    shape = differences.shape[1:]
    reach = np.broadcast_to([REACH[m] for m in block.metrics], shape).ravel()
    return above(differences.reshape(len(differences), -1), margin, reach, block.anytime).reshape(
        shape
    )


def truth_above_predicted(evidence: Evidence) -> Finding:
    """The mean for the ground truth above the predicted class's in over half of the metrics."""
    return _truth_above(evidence, 1, "predicted")


def truth_above_least(evidence: Evidence) -> Finding:
    """The mean for the ground truth above the least probable's in over half of the metrics."""
    return _truth_above(evidence, 2, "least probable")


def _truth_above(evidence: Evidence, target: int, name: str) -> Finding:
    targets = _targets(evidence)
    if isinstance(targets, Finding):
        return targets
    means, n, shorts, other = targets
    ahead = means[0] - means[target]
    where = names_where(ahead.mean(axis=0) > 0, shorts)
    numbers = f"above the {name} class in {where} metrics"
    numbers += _differing(other) * (target == 1)
    yes, no = (above(side, 0, 100.0, evidence.anytime) for side in (ahead, -ahead))
    return _in_most(yes, no, n, numbers)


def predicted_slightly_lower(evidence: Evidence) -> Finding:
    """From ground truth to predicted, over half of the metrics fall, by less than `SLIGHT`."""
    found = _to_predicted(evidence)
    if isinstance(found, Finding):
        return found
    change, n, numbers = found
    falls, little, rises, much = (
        above(of, margin, 100.0, evidence.anytime)
        for of, margin in ((-change, 0), (change, -SLIGHT), (change, 0), (-change, SLIGHT))
    )
    return _in_most(
        all_of(np.stack([falls, little]), 0), any_of(np.stack([rises, much]), 0), n, numbers
    )


def predicted_alike(evidence: Evidence) -> Finding:
    """From ground truth to predicted, over half of the metrics change by less than `SLIGHT`."""
    found = _to_predicted(evidence)
    if isinstance(found, Finding):
        return found
    change, n, numbers = found
    under = [above(side, -SLIGHT, 100.0, evidence.anytime) for side in (change, -change)]
    over = [above(side, SLIGHT, 100.0, evidence.anytime) for side in (change, -change)]
    return _in_most(all_of(np.stack(under), 0), any_of(np.stack(over), 0), n, numbers)


def _to_predicted(evidence: Evidence) -> tuple[Floats, int | None, str] | Finding:
    """Change of the methods' mean from ground truth to predicted (N, metrics), n, and in words."""
    targets = _targets(evidence)
    if isinstance(targets, Finding):
        return targets
    means, n, shorts, other = targets
    change = means[1] - means[0]
    numbers = "change of the methods' mean: " + _points(change, shorts) + _differing(other)
    if other is not None and other.any():
        numbers += f", there by {_points(change[other], shorts)}"
    return change, n, numbers


def least_probable_apart(evidence: Evidence) -> Finding:
    """For the least probable class AI, AD, D higher, AG and I under `TENTH` of what they were."""
    targets = _targets(evidence)
    if isinstance(targets, Finding):
        return targets
    means, n, shorts, _ = targets
    low = np.isin(shorts, ["AG", "I"])
    right = np.where(low, TENTH * means[0] - means[2], means[2] - means[0])
    numbers = "methods' mean, ground truth to least probable: " + ", ".join(
        f"{short} {a:.1f} to {b:.1f}"
        for short, a, b in zip(shorts, means[0].mean(axis=0), means[2].mean(axis=0), strict=True)
    )
    yes, no = (above(side, 0, 100.0, evidence.anytime) for side in (right, -right))
    return decide(all_of(yes), any_of(no), n, numbers)


def _points(change: Floats, shorts: list[str]) -> str:
    return ", ".join(f"{s} {c:+.1f}" for s, c in zip(shorts, change.mean(axis=0), strict=True))


def _differing(other: Bools | None) -> str:
    """`; the predicted class is another on 16 of 120 images`; "" where nobody stored it."""
    if other is None:
        return ""
    return f"; the predicted class is another on {other.sum()} of {len(other)} images"


def _targets(
    evidence: Evidence,
) -> tuple[list[Floats], int | None, list[str], Bools | None] | Finding:
    """Means over methods (N, metrics) of Table 2's three targets, on the images of all three.

    The last are the images (N,) whose predicted class is not the ground truth: the others have
    nothing to differ in but the maps of methods that explain another class than they are asked to.
    """
    spec = TABLES[2]
    for target in spec.targets:
        block = evidence.block(METHODS, spec.metrics, target)
        if isinstance(block, Finding):
            return block
    keys = [
        evidence.key(x, m, target=t) for t in spec.targets for x in METHODS for m in spec.metrics
    ]
    values = evidence.values(keys)
    if not len(values):
        return nothing_shared()
    other = None if evidence.missed is None else evidence.missed[evidence.common(keys)]
    shaped = values.reshape(len(values), len(spec.targets), len(METHODS), len(spec.metrics))
    n = None if evidence.cells is None else len(values)
    means = [shaped[:, i].mean(axis=1) for i in range(len(spec.targets))]
    return means, n, [SHORTS[m] for m in spec.metrics], other
