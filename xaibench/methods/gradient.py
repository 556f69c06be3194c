"""The gradient of a logit with respect to the input (Simonyan et al. 2014)."""

from __future__ import annotations

import torch

from xaibench.gradients import (
    BatchNorm,
    ExplainedClass,
    Reduction,
    explained_classes,
    input_gradients,
    network,
    reduce_channels,
)
from xaibench.registry import method
from xaibench.types import Batch, Context, Cost, Explanation


@method(
    family="gradient",
    cost=lambda **_: Cost(shared=1, backwards=1),
    citation="simonyan2014deep",
)
def gradient(
    ctx: Context,
    batch: Batch,
    state: None,
    *,
    batchnorm: BatchNorm = "eval",
    explained_class: ExplainedClass = "given",
    reduction: Reduction = "abs_max",
) -> Explanation:
    """Largest absolute gradient of the logit over the colour channels (Simonyan et al. 2014).

    Map (B, T, H, W) = max over channels of |d logit / d input|, section 3.1. batchnorm='train'
    uses each group's own batch statistics.
    """
    model = network(ctx, batchnorm)
    with torch.enable_grad():
        images = batch.images.detach().requires_grad_()
        logits = model(images)
        classes = explained_classes(batch, logits, explained_class)
        gradients = input_gradients(logits, images, classes)
    return Explanation(reduce_channels(gradients, reduction), explained=classes)
