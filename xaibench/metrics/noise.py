"""Whether the map stays where it is under small noise: a correlation, not a norm."""

from __future__ import annotations

from typing import Annotated

import torch

from xaibench.ops.statistics import spearman
from xaibench.probes.draws import noise
from xaibench.registry import Range, metric
from xaibench.types import MetricCost, Scoring, Values


@metric(
    keys={
        "noise_correlation": {
            "title": "Correlation under noise",
            "short": "NC",
            "doc": "Rank correlation of the map with those of slightly noisy images.",
            "direction": "higher",
            "range": (-1, 1),
            "unit": "Spearman's rho",
            "group": "sanity",
        }
    },
    needs=("forwards", "explain"),
    probability=False,
    opt_in=True,
    cost=lambda draws, **_: MetricCost(explains=draws),
    citation="yeh2019infidelity",
)
def noise_correlation(
    scoring: Scoring,
    *,
    draws: Annotated[int, Range(1)] = 1,
    radius: Annotated[float, Range(0)] = 0.2,
) -> Values:
    """Mean Spearman correlation of the map with the method's maps of noisy images.

    The perturbations of sensitivity (Yeh et al. 2019), its first `draws`: uniform in
    [-radius, radius] on the normalised input. NaN where a map is constant.
    """
    if scoring.explain is None:
        raise ValueError("this scoring cannot explain")
    batch, device = scoring.batch, scoring.batch.images.device
    rows = torch.arange(len(batch), device=device)
    drawn = noise(scoring.ctx, batch.ids, draws, batch.size, radius).to(device)
    own = scoring.maps.flatten(1)
    found = []
    for draw in range(draws):
        maps = scoring.explain(batch.images + drawn[:, draw], rows)
        found.append(spearman(own, maps.flatten(1)))
    return {"noise_correlation": torch.stack(found).mean(0)}
