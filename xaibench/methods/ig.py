"""Integrated gradients (Sundararajan et al. 2017), by captum."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from xaibench.gradients import (
    BatchNorm,
    ExplainedClass,
    Reduction,
    explained_classes,
    network,
    reduce_channels,
)
from xaibench.registry import method
from xaibench.types import Batch, Classifier, Context, Cost, Explanation


@method(
    family="gradient",
    additive=True,
    cost=lambda steps, **_: Cost(forwards=steps + 1, backwards=steps),
    citation="sundararajan2017axiomatic",
)
def ig(
    ctx: Context,
    batch: Batch,
    state: None,
    *,
    steps: int = 100,
    baseline: Literal["mean", "black"] = "black",
    batchnorm: BatchNorm = "eval",
    explained_class: ExplainedClass = "given",
    reduction: Reduction = "abs_max",
) -> Explanation:
    """Gradients integrated along the path from a baseline to the image (Sundararajan et al. 2017).

    Map (B, T, H, W) = max over channels of the absolute attribution; Gauss-Legendre with `steps`
    points. baseline: zeros in normalised space ('mean') or the black image. Scalars: the signed
    attribution's sum and the baseline's logit, for completeness. batchnorm='train' takes the
    statistics over all interpolants of a group; memory is then that of steps x group inputs.
    """
    classes = explained_classes(batch, _own_logits(ctx, batch, batchnorm), explained_class)
    start = torch.zeros_like(batch.images[:1])
    if baseline == "black":
        start = ctx.classifier.from_pixels(start)
    group = ctx.group_size
    at_once = max(group, ctx.batch_size // steps // group * group)
    model = network(ctx, batchnorm, steps)
    parts = [
        _attribute(
            ctx, model, batch.images[i : i + at_once], classes[i : i + at_once], start, steps
        )
        for i in range(0, len(batch), at_once)
    ]
    signed = torch.cat(parts)
    base = torch.cat(list(ctx.stream([start]))).expand(len(batch), -1).gather(1, classes)
    scalars = {"attribution_sum": signed.double().sum((-3, -2, -1)), "baseline_logit": base}
    return Explanation(reduce_channels(signed, reduction), scalars, classes)


def _own_logits(ctx: Context, batch: Batch, batchnorm: BatchNorm) -> Tensor:
    with torch.no_grad():
        return network(ctx, batchnorm)(batch.images)


def _attribute(
    ctx: Context, model: Classifier, images: Tensor, classes: Tensor, start: Tensor, steps: int
) -> Tensor:
    """Signed attributions (n, T, 3, H, W) of a few images, a captum call a class."""
    from captum.attr import IntegratedGradients

    n, group = len(images), min(ctx.group_size, len(images))
    # captum puts all images at the first step first; BatchNorm's groups need an image together
    order = torch.arange(steps * n).view(steps, n // group, group).transpose(0, 1).flatten()
    back = order.argsort().to(images.device)
    order = order.to(images.device)
    whole = model is not ctx.classifier

    def forward(inputs: Tensor) -> Tensor:
        return model(inputs[order])[back] if whole else model(inputs)

    method = IntegratedGradients(forward, multiply_by_inputs=True)
    with torch.enable_grad():
        found = [
            method.attribute(
                images,
                baselines=start.expand_as(images),
                target=classes[:, t],
                n_steps=steps,
                internal_batch_size=None if whole else max(ctx.batch_size, n),
            )
            for t in range(classes.shape[1])
        ]
    return torch.stack(found, 1).detach()
