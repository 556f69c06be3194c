"""Score-CAM (Wang et al. 2020)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from xaibench.ops.pairs import built, combined_channels
from xaibench.ops.resize import minmax
from xaibench.probes.hooks import activations
from xaibench.registry import method
from xaibench.types import Batch, Context, Cost, Explanation


@method(
    title="Score-CAM",
    family="cam",
    normalization={"rectify": "relu", "border": "clamp"},
    cost=lambda channels, **_: Cost(shared=1 + channels),
    citation="wang2020scorecam",
)
def scorecam(
    ctx: Context,
    batch: Batch,
    state: None,
    *,
    layer: str = "cam",
    align_corners: bool = False,
    weights: Literal["softmax", "probability"] = "softmax",
) -> Explanation:
    """Channels weighted by the score of the input masked with each (Wang et al. 2020).

    Map (B, T, h, w) = sum_k w_k A_k. w: softmax over channels of the logit of x * mask_k (algorithm
    1; the baseline of equation 5 cancels), or the class's probability itself, as the authors'
    repository has it. mask_k is the channel upsampled and min-maxed; align_corners: True in
    pytorch-grad-cam, False in the repository. Memory beyond the activations: batch_size masked
    inputs. One pass a channel serves all targets.
    """
    maps = activations(ctx.classifier, layer, batch.images)
    images, channels = maps.shape[:2]

    def mask(image: int, some: slice, out: Tensor) -> None:
        small = maps[image, some].contiguous()[:, None]
        large = F.interpolate(small, batch.size, mode="bilinear", align_corners=align_corners)[:, 0]
        torch.mul(batch.images[image], minmax(large)[:, None], out=out)

    found = []
    for logits, image in ctx.forwarded(built(batch.images, channels, ctx.batch_size, mask)):
        score = logits.softmax(-1) if weights == "probability" else logits
        found.append(score.gather(1, batch.targets[image]))
    scores = torch.cat(found)
    table = scores.view(images, channels, -1).transpose(1, 2).contiguous()  # (B, T, C)
    return Explanation(
        combined_channels(table if weights == "probability" else table.softmax(-1), maps)
    )
