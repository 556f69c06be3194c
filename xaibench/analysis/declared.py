"""What a run's metrics mean: by the values of its protocol, never by the protocol's name.

The same key can hold another quantity: completeness is a verdict or a residual, MS and AS are of
the method or of a stand-in. `xaibench.studies.meaning` reads which it is where a run is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

EXACT, RESIDUAL = "exact", "residual"
STAND_IN, OWN = "gradient_stand_in", "method"


@dataclass(frozen=True)
class Declared:
    """What the values of a run are of; "" or None where nobody knows.

    Attributes:
        completeness: "exact" (1 where the sums are equal, else 0) or "residual" (relative).
        sensitivity: whose explanation of the perturbed input MS and AS take: "method" or
            "gradient_stand_in".
        ties: in which order insertion and deletion take equal pixels.
        transposed: methods whose maps are mirrored at the diagonal on transformed inputs.
        as_published: whether all values are those of the shipped protocol `published`.
        binary: keys of the metrics that declare that a row can only be 0 or 1.
    """

    completeness: str = ""
    sensitivity: str = ""
    ties: str = ""
    transposed: tuple[str, ...] | None = None
    as_published: bool | None = None
    binary: frozenset[str] | None = None


def from_values(scores: pd.DataFrame) -> Declared:
    """What a frame without a run directory gives away by its values alone.

    A relative residual is a continuous number: completeness that is 0 or 1 in every row is the
    exact test, any other value a residual. Fake-CAM's map never changes, so its MS and AS are 0
    where the method itself is explained again. Binary are metrics that are 0 or 1 in every row:
    Wilson's interval is only too wide for others in [0, 1]. All else stays unknown.
    """
    used = scores[scores["status"].isin(("ok", "constant_map"))]
    metric, method = used["metric"].astype(str), used["method"].astype(str)
    value = used["value"].to_numpy(dtype=np.float64)
    sums = value[(metric == "completeness").to_numpy()]
    control = (method == "fakecam") & metric.isin(("max_sensitivity", "avg_sensitivity"))
    change = value[control.to_numpy()]
    other = set(metric[~np.isin(value, (0.0, 1.0))].unique())
    return Declared(
        completeness="" if not len(sums) else EXACT if np.isin(sums, (0, 1)).all() else RESIDUAL,
        sensitivity="" if not len(change) else OWN if (change == 0).all() else STAND_IN,
        binary=frozenset(name.partition("(")[0] for name in set(metric.unique()) - other),
    )
