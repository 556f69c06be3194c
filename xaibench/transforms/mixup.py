"""Mixup (Zhang et al. 2018)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from torch import Tensor

from xaibench.registry import Range, transform
from xaibench.types import Draw


@transform(variations=("44", "55", "93", "32"), groups=lambda **_: True, citation="zhang2018mixup")
def mixup(
    images: Tensor, draw: Draw, variation: str, *, alpha: Annotated[float, Range(1e-6)] = 1.0
) -> Tensor:
    """Each image of a group blended with the one before it (Zhang et al. 2018).

    images (g, 3, H, W) normalised -> the same shape: lambda x_i + (1 - lambda) x_(i-1), one
    lambda ~ Beta(alpha, alpha) a group, the first image's partner being the last. A group of one
    stays as it is. The label stays the image's own.
    """
    seed = draw(None).initial_seed()
    weight = float(np.random.default_rng(seed).beta(alpha, alpha))
    return weight * images + (1 - weight) * images.roll(1, 0)
