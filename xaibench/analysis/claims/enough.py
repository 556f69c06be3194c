"""How many images an undecided claim would take.

The rule itself is asked, on the run's images repeated: as if more of them came, with the same means
and the same spread. At the number found a verdict is as likely as not; 2.7 times as many make it
nine times in ten ((1.96 + 1.28)^2 / 1.96^2, a test at 2.5%).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from xaibench.analysis.claims.evidence import Evidence
from xaibench.analysis.claims.finding import UNDECIDED, Enough, Finding

MOST = 50_000
"""ImageNet's validation set, which the paper used: more images are not looked for."""
NEAR = 1.05
"""The least number is found to within 5%."""

Check = Callable[[Evidence], Finding]


def with_enough(check: Check, evidence: Evidence) -> Finding:
    """What the rule comes to; where it is undecided, with the images that would decide it."""
    found = check(evidence)
    if found.verdict != UNDECIDED or evidence.cells is None or not found.n:
        return found
    return replace(found, needed=_search(check, evidence, found.n))


def _search(check: Check, evidence: Evidence, n: int) -> Enough:
    low, high, verdict = 1, max(MOST // n, 2), UNDECIDED
    step = min(2, high)
    while True:  # doubled until it is decided, since a check takes as long as it has images
        verdict = check(repeated(evidence, step)).verdict
        if verdict != UNDECIDED or step == high:
            break
        low, step = step, min(2 * step, high)
    if verdict == UNDECIDED:
        return Enough(None, None)
    high = step
    while high - low > 1 and high > NEAR * low:
        middle = (low + high) // 2
        if (found := check(repeated(evidence, middle)).verdict) == UNDECIDED:
            low = middle
        else:
            high, verdict = middle, found
    return Enough(high * n, verdict)


def repeated(evidence: Evidence, times: int) -> Evidence:
    """The same evidence with every image `times` times."""
    assert evidence.cells is not None
    steps = np.arange(times)[:, None] * evidence.images
    cells = {
        key: replace(
            cell,
            images=(cell.images + steps).ravel(),
            sums=np.tile(cell.sums, times),
            counts=np.tile(cell.counts, times),
        )
        for key, cell in evidence.cells.items()
    }
    return replace(
        evidence,
        cells=cells,
        images=times * evidence.images,
        times=times * evidence.times,
        missed=None if evidence.missed is None else np.tile(evidence.missed, times),
        probability={name: np.tile(p, times) for name, p in evidence.probability.items()},
        places=None if evidence.places is None else (evidence.places + steps).ravel(),
    )
