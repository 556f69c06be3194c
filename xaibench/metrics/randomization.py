"""Sanity check by model-parameter randomisation (Adebayo et al. 2018)."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from xaibench.ops.rows import one_thread
from xaibench.ops.statistics import spearman
from xaibench.registry import Range, metric
from xaibench.types import MetricCost, Scoring, Values


@metric(
    keys={
        "parameter_randomization": {
            "title": "Parameter randomisation",
            "short": "PR",
            "doc": "Rank correlation of maps before and after cascading randomisation.",
            "direction": "lower",
            "range": (-1, 1),
            "unit": "Spearman's rho",
            "group": "sanity",
        }
    },
    needs=("forwards", "explain"),
    probability=False,
    opt_in=True,
    cost=lambda stages, **_: MetricCost(explains=stages),
    citation="adebayo2018sanity",
)
def randomization(
    scoring: Scoring, *, stages: Annotated[int, Range(1)] = 3, seed: int = 0
) -> Values:
    """Mean Spearman correlation of the map with those of ever more randomised networks.

    Layers are drawn anew from the logits downwards, in `stages` equal parts, cumulatively (section
    3); for a method that depends on learnt weights the value falls to 0. The network itself is not
    touched.
    """
    if scoring.explain is None:
        raise ValueError("this scoring cannot explain")
    rows = torch.arange(len(scoring.batch), device=scoring.batch.images.device)
    correlations = []
    for stage in range(1, stages + 1):
        module = randomized(scoring.ctx.classifier.module, stage / stages, seed)
        other: Any = replace(scoring.ctx.classifier, module=module, compiled=False)  # type: ignore
        maps = scoring.explain(scoring.batch.images, rows, other)
        correlations.append(spearman(scoring.maps.flatten(1), maps.flatten(1)))
    return {"parameter_randomization": torch.stack(correlations).mean(0)}


def randomized(module: nn.Module, share: float, seed: int) -> nn.Module:
    """A copy whose last `share` of the layers with weights have these drawn anew.

    Layers are convolutions, linear maps and attention's projections; norms and embeddings stay.
    Each tensor keeps its mean and standard deviation, so that activations keep their scale;
    the draws depend on (seed, tensor's name) alone.
    """
    from xaibench.seeds import generator

    copied = copy.deepcopy(module)
    layers = [
        (name, child)
        for name, child in copied.named_modules()
        if isinstance(child, (nn.modules.conv._ConvNd, nn.Linear, nn.MultiheadAttention))
    ]
    for name, child in layers[len(layers) - round(share * len(layers)) :]:
        for part, value in child.named_parameters(recurse=False):
            drawn = torch.randn(value.shape, generator=generator(seed, f"{name}.{part}", "weights"))
            with one_thread():
                spread: Tensor = value.std() if value.numel() > 1 else value.abs()
                centre = value.mean()
            value.data.copy_(drawn.to(value) * spread + centre)  # in its own memory format
    return copied
