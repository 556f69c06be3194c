"""Another input size."""

from __future__ import annotations

from torch import Tensor

from xaibench.registry import transform
from xaibench.types import Draw


@transform(variations=("32", "64", "128", "448"), resizes=True, citation="zhang2024saliency")
def resize(images: Tensor, draw: Draw, variation: str, *, antialias: bool = True) -> Tensor:
    """The input resized to 32, 64, 128 or 448 pixels, which the network is fed as it is.

    images (g, 3, H, W) normalised -> (g, 3, S, S), bilinear.
    """
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as F

    side = int(variation)
    return F.resize(images, [side, side], InterpolationMode.BILINEAR, antialias=antialias)
