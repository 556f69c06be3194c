"""Completeness: do the attributions sum to the difference of two logits?"""

from __future__ import annotations

from typing import Literal

import torch

from xaibench.ops.rows import one_thread
from xaibench.registry import metric
from xaibench.types import MetricCost, Rows, Scoring, Values


@metric(
    keys={
        "completeness": {
            "title": "Completeness",
            "short": "Co",
            "doc": "Whether (published) or how far (reference) attributions sum to the logits' "
            "difference.",
            "range": (0, None),
            "group": "axioms",
            "by": {  # what it is depends on an option
                "test": {
                    "exact": {
                        "direction": "higher",
                        "range": (0, 1),
                        "unit": "share of images",
                        "mean": "share of passes",
                    },
                    "residual": {"unit": "relative residual", "mean": "mean residual"},
                }
            },
        }
    },
    needs=("forwards",),
    probability=False,
    redefines=("test",),  # a verdict, or a relative residual
    cost=lambda test, **_: MetricCost(shared=test == "exact"),
    citation="sundararajan2017axiomatic",
)
def completeness(scoring: Scoring, *, test: Literal["exact", "residual"] = "residual") -> Values:
    """Proposition 1 of Sundararajan et al. 2017, for the scored class.

    exact: 1.0 where the float32 sum of the normalised map equals logit(x) - logit(baseline), else
    0.0, the baseline being constant at the image's smallest normalised value (Quantus).
    residual: |sum - difference| / |difference| of the method's signed attribution and its own
    baseline; `not_applicable` for methods that do not declare themselves additive.
    """
    if test == "exact":
        images = scoring.batch.images
        low = images.flatten(1).amin(1).view(-1, 1, 1, 1)
        base = scoring.shared("minimum", lambda: low.expand_as(images))
        with one_thread():
            total = scoring.maps.flatten(1).sum(1)
        same = (total == scoring.logit - base.logit).double()
        return {"completeness": torch.where(total.isnan(), torch.nan, same)}
    if not scoring.additive:
        nothing = torch.full((len(scoring.batch),), torch.nan)
        return {"completeness": Rows(nothing, ("not_applicable",) * len(nothing))}
    difference = scoring.logit.double() - scoring.scalars["baseline_logit"]
    gap = (scoring.scalars["attribution_sum"] - difference).abs()
    return {"completeness": gap / difference.abs()}
