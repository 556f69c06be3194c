"""Per-sample information bottleneck attribution (Schulz et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from xaibench.ops.moments import moments
from xaibench.ops.resize import bilinear
from xaibench.ops.smooth import gaussian
from xaibench.probes.hooks import activations, logits_behind
from xaibench.registry import Range, method
from xaibench.types import Batch, Context, Cost, Explanation, filled

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


Resized = Literal["statistics", "bottleneck"]


@method(
    title="IBA",
    family="perturbation",
    prepare=prepare,
    prepared_of=lambda statistics_of, **_: statistics_of,
    prepares=lambda statistics_images, **_: statistics_images,  # images forwarded, 0: all
    counts=("statistics_images",),
    only={"statistics_of": ("subset",), "resized": ("resized",)},
    normalization={"border": "mirror"},
    cost=lambda steps, samples, **_: Cost(
        shared=1, forwards=steps * samples, backwards=steps * samples, at_once=samples
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
    statistics_of: Literal["dataset", "subset"] = "dataset",
    resized: Resized = "statistics",
) -> Explanation:
    """Bits that pass a noise bottleneck optimised for each image (Schulz et al. 2020).

    Map (B, T, h, w) = sum over channels of the capacity (equation 6) in bits, from the last of
    `steps` forwards. lambda = smoothed sigmoid of alpha; loss = cross-entropy, mean over the
    noise samples, + beta * mean capacity. The feature statistics are those of the first
    statistics_images images (0: all) of the data set, untransformed; for transformed inputs
    statistics_of='subset' takes the images of the run's subset. resized: what is done where the
    features are of another size than the statistics; these are resized first ('statistics'), or
    alpha keeps their size and is resized with them in every forward ('bottleneck', as the IBA
    package does). Noise is drawn per image and step; images are optimised together,
    at most batch_size inputs at once after the layer and one image at least.
    """
    at_once = max(1, ctx.batch_size // samples)
    maps = []
    held = activations(ctx.classifier, layer, batch.images)
    for i in range(0, len(batch), at_once):
        part, features = batch.rows(i, i + at_once), filled(held[i : i + at_once], at_once)
        of_targets = [
            _bottleneck(
                ctx, part, features, t, state, layer, beta, steps, lr, samples, alpha, resized
            )[: len(part)]
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
    resized: Resized,
) -> Tensor:
    """Capacity maps (n, h, w) in bits of a few images, each optimised by itself.

    features (n, C, h, w) may hold more than the batch: copies that fill it up, with its noise.
    'bottleneck' leaves features of a single cell (the embedded network's at 32 pixels) as they
    are: they broadcast against the statistics, and what is behind the layer sees their size.
    """
    mean, std, active = (state[name].to(features) for name in ("mean", "std", "active"))
    size = features.shape[-2:]
    if resized == "statistics":
        mean, std, active = (_resized(value, size) for value in (mean, std, active))
        active = (active > 0.5).to(features.dtype)
    std = std.clamp(min=MIN_STD)
    alpha = features.new_full((len(features), *mean.shape), alpha0).requires_grad_()
    if mean.shape[-2:] != size and min(size) > 1:
        mean, std, active = (_resized(value, size) for value in (mean, std, active))
    optimizer = torch.optim.Adam([alpha], lr=lr)
    classes = filled(batch.targets[:, target], len(features)).repeat_interleave(samples)
    draws = [ctx.generator(image, "iba") for image in batch.ids]
    capacity = torch.zeros_like(features)
    for _ in range(steps):
        shape = (samples, *features.shape[1:])
        drawn = filled(torch.stack([torch.randn(shape, generator=g) for g in draws]), len(features))
        noise = mean + std * drawn.to(features)  # (n, samples, C, h, w)
        with torch.enable_grad():
            opening = gaussian(alpha.sigmoid(), SIGMA, KERNEL)
            if opening.shape[-2:] != mean.shape[-2:]:
                opening = _resized(opening, size)
            capacity = _capacity(opening * (features - mean) / std, 1 - opening) * active
            kept, added = (opening * features)[:, None], (1 - opening)[:, None] * noise
            mixed = ((kept + added) * active).flatten(0, 1)
            logits = logits_behind(ctx.classifier, layer, batch.images[:1], mixed)
            wrong = F.cross_entropy(logits, classes, reduction="sum") / samples
            loss = wrong + beta * capacity.flatten(1).mean(1).sum()
            (alpha.grad,) = torch.autograd.grad(loss, alpha)
        optimizer.step()
    return capacity.detach().sum(1) / math.log(2)


def _capacity(mu: Tensor, sigma: Tensor) -> Tensor:
    """KL[N(mu, sigma^2) || N(0, 1)] in nats, equation 6."""
    variance = sigma**2
    return 0.5 * (mu**2 + variance - variance.log() - 1)


def _resized(values: Tensor, size: tuple[int, ...]) -> Tensor:
    """(C, h, w) or (n, C, h, w) resized bilinearly to (..., H, W), unless it has that size."""
    if values.shape[-2:] == size:
        return values
    many = values if values.dim() == 4 else values[None]
    resized = bilinear(many, (size[0], size[1]))
    return resized if values.dim() == 4 else resized[0]
