"""Per-sample information bottleneck attribution (Schulz et al. 2020)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from xaibench.hooks import activations, replaced_output
from xaibench.ops.moments import moments
from xaibench.ops.smooth import gaussian
from xaibench.registry import Range, method
from xaibench.types import Batch, Context, Cost, Explanation

MIN_STD, ACTIVE_SHARE, SIGMA, KERNEL = 0.01, 0.01, 1.0, 5


def prepare(
    ctx: Context,
    images: Callable[[int], Iterator[Tensor]],
    *,
    layer: str,
    statistics_images: int,
    **_: object,
) -> dict[str, Tensor]:
    """Mean, standard deviation and activity of the layer's features over the data set."""
    parts = images(statistics_images)
    mean, std, share = moments(activations(ctx.classifier, layer, part) for part in parts)
    return {"mean": mean, "std": std, "active": (share > ACTIVE_SHARE).double()}


@method(
    family="perturbation",
    prepare=prepare,
    normalization={"border": "mirror"},
    cost=lambda steps, samples, **_: Cost(
        shared=1, forwards=steps * samples, backwards=steps * samples
    ),
    citation="schulz2020iba",
)
def iba(
    ctx: Context,
    batch: Batch,
    state: dict[str, Tensor],
    *,
    layer: str = "iba",
    beta: float = 10.0,
    steps: Annotated[int, Range(1)] = 10,
    lr: float = 1.0,
    samples: Annotated[int, Range(1)] = 10,
    alpha: float = 5.0,
    statistics_images: Annotated[int, Range(0)] = 10_000,
) -> Explanation:
    """Bits that pass a noise bottleneck optimised for each image (Schulz et al. 2020).

    Map (B, T, h, w) = sum over channels of the capacity (equation 6) in bits, from the last of
    `steps` forwards. lambda = smoothed sigmoid of alpha; loss = cross-entropy, mean over the
    noise samples, + beta * mean capacity. The feature statistics are those of the data set's first
    statistics_images images (0: all). Noise is drawn per image and step; images are optimised
    together, at most batch_size inputs at once after the layer and one image at least.
    """
    at_once = max(1, ctx.batch_size // samples)
    maps = []
    for part in (batch.rows(i, i + at_once) for i in range(0, len(batch), at_once)):
        features = activations(ctx.classifier, layer, part.images)
        of_targets = [
            _bottleneck(ctx, part, features, t, state, layer, beta, steps, lr, samples, alpha)
            for t in range(part.targets.shape[1])
        ]
        maps.append(torch.stack(of_targets, 1))
    return Explanation(torch.cat(maps))


def _bottleneck(
    ctx: Context,
    batch: Batch,
    features: Tensor,
    target: int,
    state: dict[str, Tensor],
    layer: str,
    beta: float,
    steps: int,
    lr: float,
    samples: int,
    alpha0: float,
) -> Tensor:
    """Capacity maps (n, h, w) in bits of a few images, each optimised by itself."""
    mean, std, active = (_fitted(state[name], features) for name in ("mean", "std", "active"))
    std = std.clamp(min=MIN_STD)
    active = (active > 0.5).to(features.dtype)
    alpha = torch.full_like(features, alpha0).requires_grad_()
    optimizer = torch.optim.Adam([alpha], lr=lr)
    classes = batch.targets[:, target].repeat_interleave(samples)
    draws = [ctx.generator(image, "iba") for image in batch.ids]
    capacity = torch.zeros_like(features)
    for _ in range(steps):
        shape = (samples, *features.shape[1:])
        drawn = torch.stack([torch.randn(shape, generator=g) for g in draws])
        noise = mean + std * drawn.to(features)  # (n, samples, C, h, w)
        with torch.enable_grad():
            opening = gaussian(alpha.sigmoid(), SIGMA, KERNEL)
            capacity = _capacity(opening * (features - mean) / std, 1 - opening) * active
            kept, added = (opening * features)[:, None], (1 - opening)[:, None] * noise
            mixed = ((kept + added) * active).flatten(0, 1)
            with replaced_output(ctx.classifier.layer(layer), functools.partial(_replace, mixed)):
                logits = ctx.classifier(batch.images)
            wrong = F.cross_entropy(logits, classes, reduction="sum") / samples
            loss = wrong + beta * capacity.flatten(1).mean(1).sum()
            (alpha.grad,) = torch.autograd.grad(loss, alpha)
        optimizer.step()
    return capacity.detach().sum(1) / math.log(2)


def _replace(new: Tensor, _: Tensor) -> Tensor:
    return new


def _capacity(mu: Tensor, sigma: Tensor) -> Tensor:
    """KL[N(mu, sigma^2) || N(0, 1)] in nats, equation 6."""
    variance = sigma**2
    return 0.5 * (mu**2 + variance - variance.log() - 1)


def _fitted(statistic: Tensor, features: Tensor) -> Tensor:
    """A statistic (C, h, w) resized bilinearly to the features' size."""
    values = statistic.to(features)
    if values.shape == features.shape[1:]:
        return values
    size = features.shape[-2:]
    return F.interpolate(values[None], size, mode="bilinear", align_corners=False)[0]
