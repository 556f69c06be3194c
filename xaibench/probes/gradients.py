"""Gradients of logits with respect to the input, and the classes they are taken for."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from xaibench.ops.resize import minmax
from xaibench.types import Batch, Classifier, Context, Explanation

BatchNorm = Literal["eval", "train"]
ExplainedClass = Literal["given", "own_forward"]
Reduction = Literal["abs_max", "minmax_max"]


def network(ctx: Context, batchnorm: BatchNorm) -> Classifier:
    """The network, with BatchNorm over each of the dataset's groups where 'train'."""
    if batchnorm == "eval":
        return ctx.classifier
    return ctx.classifier.view(batchnorm_groups=ctx.group_size)


def explained_classes(batch: Batch, logits: Tensor, how: ExplainedClass) -> Tensor:
    """The classes (B, T) to explain: the batch's targets, or re-derived from `logits` (B, K).

    With 'own_forward', predicted and least_probable are the argmax and argmin of these logits.
    """
    if how == "given":
        return batch.targets
    own = {"predicted": logits.argmax(1), "least_probable": logits.argmin(1)}
    columns = [own.get(name, batch.targets[:, t]) for t, name in enumerate(batch.target_names)]
    return torch.stack(columns, 1)


def input_gradients(logits: Tensor, images: Tensor, classes: Tensor) -> Tensor:
    """Gradients of the logit (B, T, 3, H, W) for each class (B, T), from one forward's graph."""
    count = classes.shape[1]
    found = images.new_empty(len(images), count, *images.shape[1:])
    for t in range(count):
        asked = logits.gather(1, classes[:, t : t + 1]).sum()
        found[:, t] = torch.autograd.grad(asked, images, retain_graph=t + 1 < count)[0]
    return found


def reduce_channels(signed: Tensor, how: Reduction) -> Tensor:
    """Channels (..., 3, H, W) -> one (..., H, W).

    abs_max: maximum of the absolute value. minmax_max: min-max over all channels, then the
    maximum, as the text of Zhang et al. (2024) has it.
    """
    if how == "abs_max":
        return signed.abs().amax(-3)
    shape = signed.shape
    return minmax(signed.reshape(-1, shape[-3] * shape[-2], shape[-1])).view(shape).amax(-3)


def gradient_maps(
    ctx: Context,
    batch: Batch,
    batchnorm: BatchNorm,
    explained_class: ExplainedClass,
    reduction: Reduction,
) -> Explanation:
    """Reduced input gradients (B, T, H, W) and the classes they explain, one forward in all."""
    model = network(ctx, batchnorm)
    with torch.enable_grad():
        images = batch.images.detach().requires_grad_()
        logits = model(images)
        classes = explained_classes(batch, logits, explained_class)
        gradients = input_gradients(logits, images, classes)
    return Explanation(reduce_channels(gradients, reduction), explained=classes)
