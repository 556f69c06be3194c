"""The rule for Figure 1: do fidelity metrics favour maps that highlight large regions?

How large is read from sparseness S, the Gini index of the map: 0 where all pixels are highlighted
alike. Whether a region is continuous no metric of the study says.
"""

from __future__ import annotations

import numpy as np

from xaibench.analysis.claims.evidence import Evidence
from xaibench.analysis.claims.fidelity import FIDELITY
from xaibench.analysis.claims.finding import Finding, decide
from xaibench.analysis.claims.significance import above, at_least, most, names_where
from xaibench.analysis.paired import centred_ranks
from xaibench.published.tables import METHODS

SIZE = "sparseness"


def favour_large(evidence: Evidence) -> Finding:
    """Within an image, methods with less sparse maps rank higher in over half of the metrics."""
    block = evidence.block(METHODS, (*FIDELITY, SIZE))
    if isinstance(block, Finding):
        return block
    n, methods, _ = block.values.shape
    ranks = centred_ranks(np.moveaxis(block.values, 1, 2).reshape(-1, methods))
    ranks = ranks.reshape(n, len(FIDELITY) + 1, methods)
    rho = -(ranks[:, :-1] * ranks[:, -1:]).sum(axis=2)  # (N, metrics), of S turned round
    lengths = np.sqrt((ranks**2).sum(axis=2))
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = np.nan_to_num(rho / (lengths[:, :-1] * lengths[:, -1:]))
    shorts = block.shorts[:-1]
    told = ", ".join(f"{s} {r:+.2f}" for s, r in zip(shorts, rho.mean(axis=0) + 0.0, strict=True))
    numbers = (
        f"mean rank correlation over the methods with how large the region is (-S): {told}; above "
        f"0 in {names_where(rho.mean(axis=0) > 0, shorts)}"
    )
    yes, no = (above(sign * rho, 0, 1.0, block.anytime) for sign in (1, -1))
    count = len(shorts)
    return decide(at_least(most(count), yes), at_least(count - count // 2, no), block.n, numbers)
