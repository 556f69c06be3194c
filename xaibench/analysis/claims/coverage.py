"""Which methods a rule over "the methods" is asked of, where some were scored on few images."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from xaibench.analysis.claims.evidence import Evidence
from xaibench.analysis.measure import Key
from xaibench.analysis.stats import MIN_IMAGES


def covered(evidence: Evidence, cells: Mapping[str, Sequence[Key]], fewest: int) -> list[str]:
    """Of methods and their cells: those with scores in each, as many as share enough images.

    A rule compares on shared images, so that a dear method with few would leave few to all. Where
    fewer than `MIN_IMAGES` are shared, the method without which most are is left out, and so on,
    down to `fewest` methods; where that is not enough either, none is.
    """
    known = [method for method, keys in cells.items() if keys and evidence.has(*keys)]
    if evidence.cells is None:
        return known
    has = {method: np.zeros(evidence.images, dtype=bool) for method in known}
    for method in known:
        has[method][evidence.common(cells[method])] = True

    def shared(methods: Collection[str]) -> int:
        return int(np.all([has[m] for m in methods], axis=0).sum()) if methods else 0

    kept, least = known, MIN_IMAGES * evidence.times
    while shared(kept) < least and len(kept) > fewest:
        rest = {m: [other for other in kept if other != m] for m in kept}
        kept = max(rest.items(), key=lambda one: (shared(one[1]), -has[one[0]].sum()))[1]
    return kept if shared(kept) >= least else known


def without(evidence: Evidence, kept: Collection[str], methods: Sequence[str]) -> str:
    """`; 8 of 10 methods, without IG, Score-CAM`; "" where all are kept."""
    lost = ", ".join(evidence.catalog.label(m) for m in methods if m not in kept)
    return f"; {len(kept)} of {len(methods)} methods, without {lost}" if lost else ""
