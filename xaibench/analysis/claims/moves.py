"""Rules for the text on Table 4: Fake-CAM under one transform, and changes of probability."""

from __future__ import annotations

import numpy as np

from xaibench.analysis.claims.coverage import covered, without
from xaibench.analysis.claims.evidence import (
    CONTROL,
    FEWEST_METHODS,
    SHORTS,
    Evidence,
)
from xaibench.analysis.claims.finding import UNMEASURED, UNTIL, Finding, decide, nothing_shared
from xaibench.analysis.claims.probability import with_signs
from xaibench.analysis.claims.shifts import MOVED, TRANSFORMS, TWO_TABLES
from xaibench.analysis.claims.significance import above
from xaibench.analysis.footnotes import SWAPPED
from xaibench.analysis.paired import centred_ranks, correlation
from xaibench.published import printed_rows
from xaibench.published.tables import FORMS, METHODS

AREAS = ("insertion", "deletion")


def fake_ai_rises(evidence: Evidence) -> Finding:
    """Fake-CAM's AI is `MOVED` points or more higher under rotation than without."""
    return _moves(evidence, "average_increase", "rotation", 1)


def fake_ad_drops(evidence: Evidence) -> Finding:
    """Fake-CAM's 100 - AD, which Table 4 prints as AD, is `MOVED` points or more lower resized."""
    if evidence.cells is None:
        return _printed_drop(evidence)
    return _moves(evidence, "average_drop", "resize", -1)


def in_doubt() -> tuple[float, float]:
    """The printed 100 - AD and AG of Fake-CAM with Resize, most likely each other's.

    An image counts for AI where the masked input has the higher probability; only such images
    gain, each at most 1, and none of them drops. So AG <= AI <= 100 - AD in every row, and in this
    one, with AI 47.4, neither holds.
    """
    cells = {row["metric"]: float(row["value"]) for row in printed_rows() if row["note"] == SWAPPED}
    return cells[FORMS["average_drop"].key], cells[FORMS["average_gain"].key]


def _printed_drop(evidence: Evidence) -> Finding:
    """The same of the two printed cells in doubt, as they stand and changed round."""
    before = evidence.printed[evidence.key(CONTROL, "average_drop")]
    stands, other = in_doubt()
    ai = evidence.printed[evidence.key(CONTROL, "average_increase", "resize")]
    drops = [before - after for after in (stands, other)]
    numbers = (
        f"{evidence.catalog.label(CONTROL)}'s 100 - AD {before:.1f}, under resize {stands:.1f} "
        f"beside AG {other:.1f} and AI {ai:.1f}, which by definition cannot be (AG <= AI <= "
        f"100 - AD): a fall of {drops[0]:.1f} points as printed, of {drops[1]:.1f} with the two "
        f"exchanged; {TWO_TABLES}"
    )
    held = [drop >= MOVED for drop in drops]
    return decide(float(not all(held)), float(any(held)), None, numbers)


def _moves(evidence: Evidence, metric: str, transform: str, sign: int) -> Finding:
    keys = [evidence.key(CONTROL, metric), evidence.key(CONTROL, metric, transform)]
    if not evidence.has(*keys):
        return Finding(UNMEASURED, "no scores of it beside untransformed ones")
    values = evidence.values(keys)
    if not len(values):
        return nothing_shared()
    change = sign * (values[:, 1:] - values[:, :1])
    before, after = values.mean(axis=0)
    yes, no = (
        above(change, MOVED, 100.0, evidence.anytime),
        above(-change, -MOVED, 100.0, evidence.anytime),
    )
    label, column = evidence.catalog.label(CONTROL), FORMS[metric]
    name = f"100 - {SHORTS[metric]}" if column.offset else SHORTS[metric]
    numbers = f"{label}'s {name} {before:.1f}, under {transform} {after:.1f}"
    return decide(yes[0], no[0], None if evidence.cells is None else len(values), numbers)


def linked_to_probability(evidence: Evidence) -> Finding:
    """Over images, what a transform changes in I and D goes with what it changes in probability.

    Ranks over images within each transform, their mean over the four; of I and D the areas, means
    over the methods.
    """
    if evidence.cells is None:
        return Finding(UNMEASURED, "no images printed")
    if evidence.anytime:
        return Finding(UNMEASURED, UNTIL)
    names = ("none", *TRANSFORMS)
    if not set(names) <= evidence.probability.keys():
        return Finding(UNMEASURED, "no predictions for transformed inputs")
    cells = {m: [evidence.key(m, a, t) for a in AREAS for t in names] for m in METHODS}
    kept = covered(evidence, cells, FEWEST_METHODS)
    if len(kept) < FEWEST_METHODS:
        return Finding(UNMEASURED, f"{len(kept)} methods have these, fewer than {FEWEST_METHODS}")
    keys = [key for m in kept for key in cells[m]]
    probability = np.stack([evidence.probability[name] for name in names])  # (5, images)
    images = evidence.common(keys)
    images = images[np.isfinite(probability[:, images]).all(axis=0)]
    if not len(images):
        return nothing_shared()
    values = evidence.values(keys, images).T.reshape(len(kept), len(AREAS), len(names), -1)
    areas = values.mean(axis=0) * np.sign([FORMS[a].scale for a in AREAS])[:, None, None]
    moved = centred_ranks((areas[:, 1:] - areas[:, :1]).reshape(-1, len(images)))
    moved = moved.reshape(len(AREAS), len(TRANSFORMS), -1).mean(axis=1).T  # (N, areas)
    by = centred_ranks(probability[1:, images] - probability[:1, images]).mean(axis=0)
    rho = [float(np.nan_to_num(correlation(by, column))) for column in moved.T]
    told = ", ".join(f"{SHORTS[a]} {r:+.2f}" for a, r in zip(AREAS, rho, strict=True))
    numbers = f"correlation of the mean rank of the change with that of the probability: {told}"
    numbers += without(evidence, kept, METHODS)
    return with_signs(by, moved, (1, 1), numbers)
