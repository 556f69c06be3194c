"""How concentrated a map is: needs no network."""

from __future__ import annotations

from xaibench.ops.statistics import entropy, gini
from xaibench.registry import metric
from xaibench.types import Scoring, Values


@metric(
    keys={
        "sparseness": {
            "title": "Sparseness",
            "short": "S",
            "doc": "Gini index of the map.",
            "direction": "higher",
            "range": (0, 1),
            "unit": "Gini index",
            "citation": "chalasani2020concise",
            "group": "complexity",
        },
        "complexity": {
            "title": "Complexity",
            "short": "C",
            "doc": "Shannon entropy of the map as a distribution over pixels.",
            "direction": "lower",
            "range": (0, None),
            "unit": "nats",
            "citation": "bhatt2020evaluating",
            "group": "complexity",
        },
    },
    needs=(),
    cost=lambda **_: 0,
    citation="chalasani2020concise",
)
def sparsity(scoring: Scoring) -> Values:
    """Gini index (1e-7 added to each value) and entropy in nats.

    An all-zero map has Gini index 0 and no entropy (NaN).
    """
    flat = scoring.maps.flatten(1)
    return {"sparseness": gini(flat), "complexity": entropy(flat)}
