"""Guided backpropagation (Springenberg et al. 2015)."""

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
from xaibench.guided import guided_relus
from xaibench.registry import method
from xaibench.types import Batch, Context, Cost, Explanation


@method(
    family="gradient",
    cost=lambda **_: Cost(shared=1, backwards=1),
    citation="springenberg2015striving",
)
def guidedbp(
    ctx: Context,
    batch: Batch,
    state: None,
    *,
    batchnorm: BatchNorm = "eval",
    explained_class: ExplainedClass = "given",
    reduction: Reduction = "abs_max",
) -> Explanation:
    """The gradient with every ReLU passing back positive signals only (Springenberg et al. 2015).

    Map (B, T, H, W) = max over channels of |guided gradient|. Raises XaibenchError where the
    network has no ReLU.
    """
    model = network(ctx, batchnorm)
    with torch.enable_grad(), guided_relus():
        images = batch.images.detach().requires_grad_()
        logits = model(images)
        classes = explained_classes(batch, logits, explained_class)
        gradients = input_gradients(logits, images, classes)
    return Explanation(reduce_channels(gradients, reduction), explained=classes)
