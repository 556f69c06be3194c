"""Integrated gradients (Sundararajan et al. 2017), by captum."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from xaibench.errors import XaibenchError
from xaibench.ops.memory import free_bytes, saved_bytes
from xaibench.ops.rows import ENOUGH, one_thread
from xaibench.probes.gradients import (
    BatchNorm,
    ExplainedClass,
    Reduction,
    explained_classes,
    network,
    reduce_channels,
)
from xaibench.registry import Range, method
from xaibench.types import Batch, Classifier, Context, Cost, Explanation, filled

_TOGETHER = 8 * 2**30  # bytes of a BatchNorm batch up to which it is in memory as a whole
_CHUNK = 4 * 2**30  # bytes that the gradient of a chunk would keep if it were of the whole network


@method(
    title="IG",
    family="gradient",
    groups=lambda batchnorm, **_: batchnorm == "train",
    only={"explained_class": ("predicted", "least_probable")},
    additive=True,
    cost=lambda steps, explained_class="given", **_: Cost(
        forwards=steps,
        backwards=steps,
        shared=explained_class == "own_forward",
        call=1,  # of the baseline
        at_once=steps,
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
    statistics over all interpolants of a group. Up to 8 GiB they are in memory together; beyond
    that they go through the network in chunks, which is as exact and takes about twice as long.
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
    at_once = group if group > 1 else max(1, ctx.batch_size // steps)
    model = ctx.classifier
    if batchnorm == "train":
        model = _over_interpolants(ctx, batch, steps)
    parts = [
        _attribute(ctx, model, images, of, start, steps, at_once)
        for images, of in zip(batch.images.split(at_once), classes.split(at_once), strict=True)
    ]
    signed = torch.cat(parts)
    base = torch.cat(list(ctx.stream([start]))).expand(len(batch), -1).gather(1, classes)
    with one_thread():
        total = signed.double().flatten(-3).sum(-1)
    scalars = {"attribution_sum": total, "baseline_logit": base}
    return Explanation(reduce_channels(signed, reduction), scalars, classes)


def _over_interpolants(ctx: Context, batch: Batch, steps: int) -> Classifier:
    """The network with the statistics of a group's interpolants, in memory together or in chunks.

    The choice depends on the memory that they need, never on what is free: it is the same on every
    machine. Raises XaibenchError where main memory is too small (the kernel would kill the
    process; a GPU raises an error itself).
    """
    example, size = batch.images[:1].clone(), steps * ctx.group_size  # a view would hold its batch
    count = min(size, steps * len(batch))  # a subset's last group needs less; same choice
    weights = list(ctx.classifier.module.parameters())
    alone = ctx.classifier.view(batchnorm_groups=1).module  # not filled up to a whole batch
    saved = saved_bytes(alone, example, weights)
    need = saved * count // 2  # blocks forwarded again keep at most half
    chunk = 0
    if saved * size // 2 > _TOGETHER:
        chunk = _chunk(steps if steps >= ENOUGH else size, min(ctx.batch_size, _CHUNK // saved))
        streamed = ctx.classifier.view(batchnorm_groups=1, chunk=1).module
        kept = saved_bytes(streamed, example, weights)
        need = count * (kept + 6 * example.nbytes)  # captum holds interpolants and gradients too
    if example.device.type == "cpu" and need > free_bytes():
        raise XaibenchError(
            f"one BatchNorm batch of {count} interpolants of {example.shape[-1]} pixels needs "
            f"about {need / 2**30:.0f} GiB, and {free_bytes() / 2**30:.0f} are free: use fewer "
            "steps, batchnorm=eval or a larger machine."
        )
    return ctx.classifier.view(batchnorm_groups=size, again=True, chunk=chunk)


def _chunk(whole: int, most: int) -> int:
    """The least divisor of `whole`, from `most` and ENOUGH on: every pass has the same rows."""
    return next((n for n in range(max(ENOUGH, most), whole) if whole % n == 0), whole)


def _attribute(
    ctx: Context,
    model: Classifier,
    images: Tensor,
    classes: Tensor,
    start: Tensor,
    steps: int,
    at_once: int,
) -> Tensor:
    """Signed attributions (n, T, 3, H, W) of a few images, a captum call a class.

    captum's order of summation depends on how many images there are, so it always gets `at_once`
    of them, except for a subset's last group: copies would change its statistics.
    """
    from captum.attr import IntegratedGradients

    asked = len(images)
    if ctx.group_size == 1:
        images, classes = filled(images, at_once), filled(classes, at_once)
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
        attributions = [
            method.attribute(
                images,
                baselines=start.expand_as(images),
                target=classes[:, t],
                n_steps=steps,
                internal_batch_size=None if whole else max(ctx.batch_size, n),
            )
            for t in range(classes.shape[1])
        ]
    return torch.stack(attributions, 1).detach()[:asked]
