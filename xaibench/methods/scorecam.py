"""Score-CAM (Wang et al. 2020)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from xaibench.hooks import activations
from xaibench.ops.pairs import chunks
from xaibench.ops.resize import minmax
from xaibench.registry import method
from xaibench.types import Batch, Context, Cost, Explanation


@method(
    family="cam",
    normalization={"rectify": "relu", "border": "clamp"},
    cost=lambda channels, **_: Cost(shared=1 + channels),
    citation="wang2020scorecam",
)
def scorecam(ctx: Context, batch: Batch, state: None, *, layer: str = "cam") -> Explanation:
    """Channels weighted by the logit of the input masked with each (Wang et al. 2020).

    Map (B, T, h, w) = sum_k softmax_k(logit of x * mask_k) A_k with mask_k the channel upsampled
    (align_corners) and min-maxed; the baseline of equation 5 cancels in the softmax. Memory beyond
    the activations: batch_size masked inputs. One pass a channel serves all targets.
    """
    maps = activations(ctx.classifier, layer, batch.images)
    images, channels = maps.shape[:2]

    def masked(image: Tensor, channel: Tensor) -> Tensor:
        small = maps[image, channel][:, None]
        large = F.interpolate(small, batch.size, mode="bilinear", align_corners=True)[:, 0]
        return batch.images[image] * minmax(large)[:, None]

    pairs = list(chunks(images, channels, ctx.batch_size, batch.images.device))
    logits = ctx.stream(masked(*pair) for pair in pairs)
    scores = torch.cat(
        [
            found.gather(1, batch.targets[image])
            for found, (image, _) in zip(logits, pairs, strict=True)
        ]
    )
    weights = scores.view(images, channels, -1).softmax(1)
    return Explanation(torch.einsum("bct,bchw->bthw", weights, maps))
