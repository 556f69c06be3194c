"""Sobel's edges: a map of the image without any network, as a control."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from xaibench.registry import method
from xaibench.types import Batch, Context, Cost, Explanation

LUMA = (0.2125, 0.7154, 0.0721)
"""Weights of red, green and blue in the grey image (ITU-R BT.709)."""


def _slope(grey: Tensor) -> Tensor:
    """Sobel's filter (B, H, W) along the rows of images (B, H + 2, W + 2), scaled as skimage's.

    Sums of shifted images: no library's choice of a convolution enters the last bits.
    """
    change = grey[:, :, 2:] - grey[:, :, :-2]
    return (change[:, :-2] + 2 * change[:, 1:-1] + change[:, 2:]) / 4


@method(
    title="Edges",
    family="control",
    opt_in=True,
    cost=lambda **_: Cost(),
    citation="adebayo2018sanity",
)
def edges(ctx: Context, batch: Batch, state: None) -> Explanation:
    """Sobel's gradient magnitude of the grey image: a control that asks no network.

    Map (B, T, H, W) in pixel values, at input size; borders repeat. The edge detector of Adebayo
    et al. 2018, which looks like an explanation and knows neither weights nor class.
    """
    red, green, blue = ctx.classifier.to_pixels(batch.images).unbind(1)
    grey = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    grey = F.pad(grey[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    across, down = _slope(grey), _slope(grey.transpose(1, 2)).transpose(1, 2)
    maps = ((across.square() + down.square()) / 2).sqrt()
    return Explanation(maps[:, None].repeat(1, batch.targets.shape[1], 1, 1))
