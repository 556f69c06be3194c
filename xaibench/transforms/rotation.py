"""Rotation about the centre."""

from __future__ import annotations

from torch import Tensor

from xaibench.registry import transform
from xaibench.types import Draw


@transform(variations=("45", "135", "225", "315"), citation="zhang2024saliency")
def rotation(images: Tensor, draw: Draw, variation: str, *, fill: bool = False) -> Tensor:
    """The input turned counter-clockwise by 45, 135, 225 or 315 degrees.

    images (g, 3, H, W) normalised -> the same shape: bilinear, no expansion; what comes from
    outside is 0 in normalised space (the mean colour). fill: give torchvision that 0 as its fill,
    too, which then weighs the border pixels by their share of the image twice.
    """
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as F

    given = [0.0] if fill else None
    return F.rotate(images, float(variation), InterpolationMode.BILINEAR, expand=False, fill=given)
