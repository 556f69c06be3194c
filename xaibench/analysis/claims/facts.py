"""What no data could turn round, apart from verdicts; and completeness, which may be either."""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr

from xaibench.analysis.claims.evidence import CONTROL, Evidence
from xaibench.analysis.claims.finding import FACT, UNMEASURED, Finding, decide, nothing_shared
from xaibench.analysis.claims.significance import any_of
from xaibench.analysis.stats import Bools
from xaibench.config.catalog import OWN, RESIDUAL, STAND_IN
from xaibench.published.tables import METHODS

WITHIN = 0.01
"""Relative residual within which attributions are complete."""
PASSES = 0.95
"""Share of images on which a method that meets completeness must pass: an axiom, save numerics."""
_SENSITIVITY = ("max_sensitivity", "avg_sensitivity")


def completeness(evidence: Evidence) -> Finding:
    """Of residuals: no method passes on `PASSES` of its images. Exact sums are a fact."""
    if evidence.cells is None:
        return Finding(UNMEASURED, "the paper says in its text that all fail, and prints no column")
    keys = [k for m in METHODS if evidence.has(k := evidence.key(m, "completeness"))]
    if not keys:
        return Finding(UNMEASURED, "no scores of completeness")
    values = evidence.values(keys)
    if not len(values):
        return nothing_shared()
    if evidence.catalog.metric("completeness").mean != RESIDUAL:
        return Finding(FACT, _passing(values == 1, keys_of(evidence), "exact sums"), len(values))
    passed = values <= WITHIN
    numbers = _passing(passed, keys_of(evidence), f"relative residual to {WITHIN:.0%}")
    counts, n = passed.sum(axis=0), len(values)
    yes = bdtr(counts, n, PASSES)  # so few where the share is PASSES
    no = 1.0 - np.where(counts > 0, bdtr(counts - 1.0, n, PASSES), 0.0)
    return decide(yes.max(), any_of(no), n, numbers)


def keys_of(evidence: Evidence) -> list[str]:
    """Names of the methods that have completeness scores."""
    kept = [m for m in METHODS if evidence.has(evidence.key(m, "completeness"))]
    return list(map(evidence.catalog.label, kept))


def _passing(passed: Bools, names: list[str], what: str) -> str:
    share = passed.mean(axis=0)
    best = int(share.argmax())
    if not share[best] and len(names) > 1:
        return f"{what}: none of {len(names)} methods passes on any image"
    rest = f", the most of {len(names)} methods" if len(names) > 1 else ", the only one tested"
    return f"{what}: {names[best]} passes on {share[best]:.0%} of the images{rest}"


def facts(evidence: Evidence) -> list[str]:
    """What is so by construction in this evidence, a line each."""
    lines = []
    means = [evidence.printed.get(evidence.key(CONTROL, metric)) for metric in _SENSITIVITY]
    if None not in means:
        told = f"Fake-CAM's MS {means[0]:.2f}, AS {means[1]:.2f}"
        explains = evidence.catalog.metric(_SENSITIVITY[0]).explains
        if explains == STAND_IN:
            lines.append(
                f"{told}: its map never changes, so its own are 0. What is measured is the "
                "distance to Quantus's gradient explanation, not the methods."
            )
        elif explains == OWN:
            lines.append(f"{told}: its map never changes, and each method is compared with itself.")
    finding = completeness(evidence)
    if finding.verdict == FACT:
        lines.append(
            f"Completeness, {finding.numbers}: a float32 sum of a map in [0, 1] and a difference "
            "of logits are equal only by chance."
        )
    return lines
