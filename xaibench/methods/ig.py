"""Integrated gradients (Sundararajan et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from xaibench.errors import XaibenchError
from xaibench.ops.memory import free_bytes, saved_bytes
from xaibench.ops.rows import ENOUGH, one_thread, recut
from xaibench.probes.gradients import (
    BatchNorm,
    ExplainedClass,
    Reduction,
    explained_classes,
    input_gradients,
    network,
    reduce_channels,
)
from xaibench.registry import Range, method
from xaibench.types import Batch, Classifier, Context, Cost, Explanation, rebatch

_TOGETHER = 8 * 2**30  # bytes of a BatchNorm batch up to which it is in memory as a whole
_CHUNK = 4 * 2**30  # bytes that the gradient of a chunk would keep if it were of the whole network


@method(
    title="IG",
    family="gradient",
    groups=lambda batchnorm, **_: batchnorm == "train",
    only={"explained_class": ("predicted", "least_probable")},
    additive=True,
    cost=lambda steps, explained_class="given", **_: Cost(
        backwards=steps,
        shared=steps + (explained_class == "own_forward"),
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
    model, group = ctx.classifier, 0
    if batchnorm == "train":
        model, group = _over_interpolants(ctx, batch, steps), ctx.group_size
    parts = _attributions(model, batch.images, classes, start, steps, group)
    signed = torch.cat(list(parts))
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
        held = 3 + batch.targets.shape[1]  # interpolants, gradients of all targets, a copy each
        need = count * (kept + held * example.nbytes)
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


def _attributions(
    model: Classifier, images: Tensor, classes: Tensor, start: Tensor, steps: int, group: int
) -> Iterator[Tensor]:
    """Signed attributions (n, T, 3, H, W) of one image after the other, or of BatchNorm's groups.

    The interpolants of all images go through the network in full passes, once for all classes.
    group: images whose interpolants share statistics, and then a pass; 0 in evaluation mode.
    """
    rows = model.rows_at(images.shape[-2:])
    size, unit = max(group, 1), steps * group or 1
    together = steps if group else min(steps, rows)  # gradients summed at once: decides last bits
    x, w = np.polynomial.legendre.leggauss(steps)
    places, weights = (torch.from_numpy(v).to(images).split(together) for v in ((x + 1) / 2, w / 2))

    def interpolants() -> Iterator[tuple[Tensor, Tensor]]:
        for some, of in zip(images.split(size), classes.split(size), strict=True):
            for place in places:  # all images at a step, then at the next
                between = start + place.view(-1, 1, 1, 1, 1) * (some - start)
                yield between.flatten(0, 1), of.repeat(len(place), 1)

    def gradients() -> Iterator[Tensor]:
        for inputs, of in rebatch(interpolants(), -(-rows // unit) * unit):
            with torch.enable_grad():
                inputs.requires_grad_()
                found = input_gradients(model(inputs), inputs, of)
            yield found

    cuts = [len(place) * len(some) for some in images.split(size) for place in places]
    found = recut(gradients(), cuts)
    for some in images.split(size):
        total = torch.zeros((), device=images.device)
        for weight in weights:
            of_steps = next(found).unflatten(0, (-1, len(some)))
            mean = (of_steps * weight.view(-1, 1, 1, 1, 1, 1)).sum(0)
            total = total + mean * (some - start)[:, None]
        yield total
