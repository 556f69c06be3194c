"""A random crop, resized to the input's size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from xaibench.registry import transform
from xaibench.types import Draw


@transform(
    variations=("44", "55", "93", "32"),
    groups=lambda box, **_: box == "group",
    citation="zhang2024saliency",
)
def crop(
    images: Tensor, draw: Draw, variation: str, *, box: Literal["group", "image"] = "image"
) -> Tensor:
    """RandomResizedCrop back to the input's size, with torchvision's default scale and ratio.

    images (g, 3, H, W) normalised -> the same shape. box: one box for a group, or one an image.
    """
    from torchvision.transforms import v2

    cut = v2.RandomResizedCrop(images.shape[-2:], antialias=True)
    if box == "group":
        return _seeded(cut, images, draw(None))
    return torch.cat([_seeded(cut, images[i : i + 1], draw(i)) for i in range(len(images))])


def _seeded(cut: Callable[[Tensor], Tensor], images: Tensor, generator: torch.Generator) -> Tensor:
    """Torchvision draws boxes from the global generator: it is set for the draw and put back."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(generator.initial_seed())
        return cut(images)
