"""Evidence of checks with a known answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from frames import SPREAD, frame

from xaibench.analysis.check.evidence import Evidence
from xaibench.config.declared import of_protocol

CONTROLS = ("fakecam", "random", "center", "edges")
STANDARDS = ("gradcam", "gradient")
METRICS = ("average_drop", "insertion", "deletion", "sparseness", "completeness")
SIMILAR = {"weights": 0.1, "class": 0.5, "noise": 0.9}
Shift = Callable[[str, str], float]
"""By how many spreads the values of a method and metric are shifted from those of the metric."""


def scores(
    shift: Shift, images: int = 20, method: str = "rise", metrics: tuple[str, ...] = METRICS
) -> pd.DataFrame:
    """Normal values of all methods, natural units, shifted by known amounts."""
    rng, rows = np.random.default_rng(3), []
    for who in dict.fromkeys((method, *CONTROLS, *STANDARDS)):
        for metric in metrics:
            centre, spread = SPREAD[metric]
            values = centre + spread * (rng.normal(size=images) + shift(who, metric))
            told = {"method": who, "metric": metric}
            rows += [{**told, "image": f"{i:02}.jpg", "value": v} for i, v in enumerate(values)]
    return frame(rows)


def similar(
    method: str = "rise", images: int = 20, tests: Mapping[str, float] = SIMILAR
) -> pd.DataFrame:
    """How alike maps are, the same number on every image."""
    rows = [(t, method, f"{i:02}.jpg", v) for t, v in tests.items() for i in range(images)]
    return pd.DataFrame(rows, columns=["test", "method", "image", "value"])


def switched(scores: pd.DataFrame, switch: str, shift: float, **only: str) -> pd.DataFrame:
    """Rows of scores with their values shifted, as a switch gave them."""
    held = scores
    for name, value in only.items():
        held = held[held[name] == value]
    return held.assign(switch=switch, value=held["value"] + shift)[
        ["switch", "method", "metric", "image", "value"]
    ]


def evidence(held: pd.DataFrame, method: str = "rise", **more: Any) -> Evidence:
    """Evidence with these scores and otherwise good maps."""
    nothing = pd.DataFrame({n: [] for n in ("switch", "method", "metric", "image", "value")})
    found = Evidence(
        method=method,
        scores=held,
        catalog=of_protocol({}),
        sanity=similar(method),
        switched=nothing,
        seconds={method: 1.25, "gradcam": 0.01},
        tied={method: 0.1, "fakecam": 1.0},
        constant={method: 0},
        controls=CONTROLS,
        standards=STANDARDS,
    )
    return replace(found, **more)


def good(who: str, metric: str) -> float:
    """RISE is far better than all others by insertion and deletion, worse by AD; else noise."""
    return {"insertion": 3.0, "deletion": -3.0, "average_drop": 3.0}.get(metric, 0.0) * (
        who == "rise"
    )


def level(_who: str, _metric: str) -> float:
    """All methods are alike."""
    return 0.0
