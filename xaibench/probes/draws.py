"""The random draws of metrics: per image, the same for every method, target and backend."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from xaibench.types import Context


def fills(
    ctx: Context,
    images: Sequence[str],
    steps: int,
    draws: int,
    values: int,
    purpose: str = "monotonicity",
) -> Tensor:
    """Uniform [0, 1) replacement values (B, steps, draws, values) for pixels."""
    return torch.stack(
        [torch.rand(steps, draws, values, generator=ctx.generator(i, purpose)) for i in images]
    )


def noise(
    ctx: Context, images: Sequence[str], draws: int, size: tuple[int, int], radius: float
) -> Tensor:
    """Uniform [-radius, radius) perturbations (B, draws, 3, H, W), for sensitivity."""
    drawn = torch.empty(len(images), draws, 3, *size)
    for image, part in zip(images, drawn, strict=True):
        torch.rand(part.shape, generator=ctx.generator(image, "sensitivity"), out=part)
    return drawn.mul_(2).sub_(1).mul_(radius)
