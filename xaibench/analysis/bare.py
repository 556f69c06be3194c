"""What a frame of scores without a run gives away of its metrics, by its values alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xaibench.analysis.stats import Floats
from xaibench.config.catalog import OWN, PASSES, RESIDUAL, STAND_IN, Catalog, MetricDeclaration
from xaibench.config.declared import shipped
from xaibench.config.specs import key_of

if TYPE_CHECKING:
    import pandas as pd


def from_values(scores: pd.DataFrame) -> Catalog:
    """The shipped declarations, with what the values say where options of a run would decide.

    A residual is a continuous number: values that are all 0 or 1 are verdicts. The map of a
    control never changes, so that its sensitivity is 0 where the method itself is explained again.
    Binary are metrics that are 0 or 1 in every row: Wilson's interval is only too wide for others
    in [0, 1]. All else stays unknown.
    """
    known = shipped()
    used = scores[scores["status"].isin(("ok", "constant_map"))]
    metric, method = used["metric"].astype(str), used["method"].astype(str)
    value = used["value"].to_numpy(dtype=np.float64)
    fixed = method.isin([key for key, declared in known.methods.items() if declared.fixed])
    anew = metric.isin([key for key, held in known.metrics.items() if held.explains is not None])
    still = value[(fixed & anew).to_numpy()]
    other = set(metric[~np.isin(value, (0.0, 1.0))].unique())
    binary = {key_of(spec) for spec in set(metric.unique()) - other}
    metrics = {}
    for key in dict.fromkeys([*known.metrics, *binary]):
        declared = _guessed(known.metric(key), value[(metric == key).to_numpy()], still)
        metrics[key] = replace(declared, binary=key in binary)
    return Catalog(known.methods, metrics)


def _guessed(declared: MetricDeclaration, values: Floats, still: Floats) -> MetricDeclaration:
    """The declaration under the options that its values, and those of controls, speak for."""
    told: dict[str, Any] = {}
    if len(values):
        told["mean"] = PASSES if np.isin(values, (0.0, 1.0)).all() else RESIDUAL
    if len(still):
        told["explains"] = OWN if (still == 0).all() else STAND_IN
    for option, cases in declared.by.items():
        for case, about in cases.items():
            if any(about.get(name) == value for name, value in told.items()):
                return declared.under({option: case})
    return declared
