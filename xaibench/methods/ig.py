"""Integrated gradients (Sundararajan et al. 2017), by captum."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from xaibench.errors import XaibenchError
from xaibench.gradients import (
    BatchNorm,
    ExplainedClass,
    Reduction,
    explained_classes,
    network,
    reduce_channels,
)
from xaibench.ops.memory import free_bytes, saved_bytes
from xaibench.registry import Range, method
from xaibench.types import Batch, Classifier, Context, Cost, Explanation


@method(
    family="gradient",
    groups=lambda batchnorm, **_: batchnorm == "train",
    additive=True,
    cost=lambda steps, explained_class="given", **_: Cost(
        forwards=steps, backwards=steps, shared=explained_class == "own_forward"
    ),
    citation="sundararajan2017axiomatic",
)
def ig(
    ctx: Context,
    batch: Batch,
    state: None,
    *,
    steps: Annotated[int, Range(1)] = 100,
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
    classes = batch.targets
    if explained_class == "own_forward":
        with torch.no_grad():
            own_logits = network(ctx, batchnorm)(batch.images)
        classes = explained_classes(batch, own_logits, explained_class)
    start = torch.zeros_like(batch.images[:1])
    if baseline == "black":
        start = ctx.classifier.from_pixels(start)
    group = ctx.group_size
    at_once = max(group, ctx.batch_size // steps // group * group)
    model = network(ctx, batchnorm, steps)
    if model is not ctx.classifier and batch.images.device.type == "cpu":
        kept = ctx.classifier.view(batchnorm_groups=1)
        _check_memory(kept, batch.images[:1], steps * min(group, len(batch)))
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


def _check_memory(model: Classifier, example: Tensor, count: int) -> None:
    """XaibenchError where a BatchNorm batch of `count` inputs cannot fit into main memory.

    Where blocks are forwarded again, at most half of what `model` keeps is needed. (A GPU says so
    itself; the kernel kills a process that takes too much main memory.)
    """
    need = saved_bytes(model, example, model.module.parameters()) * count // 2
    if need > free_bytes():
        raise XaibenchError(
            f"one BatchNorm batch of {count} interpolants of {example.shape[-1]} pixels needs "
            f"about {need / 2**30:.0f} GiB, and {free_bytes() / 2**30:.0f} are free: use fewer "
            "steps, batchnorm=eval or a larger machine."
        )


def _attribute(
    ctx: Context, model: Classifier, images: Tensor, classes: Tensor, start: Tensor, steps: int
) -> Tensor:
    """Signed attributions (n, T, 3, H, W) of a few images, a captum call a class."""
    from captum.attr import IntegratedGradients

    n = len(images)
    # captum puts all images at the first step first; BatchNorm's groups need an image together
    order = torch.arange(steps * n).view(steps, n)
    order = torch.cat([part.flatten() for part in order.split(ctx.group_size, dim=1)])
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
