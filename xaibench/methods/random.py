"""Uniform noise: a map of chance alone, as a control."""

from __future__ import annotations

import torch

from xaibench.registry import method
from xaibench.types import Batch, Context, Cost, Explanation


@method(
    title="Random",
    family="control",
    chance=True,
    blind=True,
    opt_in=True,
    cost=lambda **_: Cost(),
    citation="samek2017evaluating",
)
def random(ctx: Context, batch: Batch, state: None) -> Explanation:
    """Uniform noise, drawn once an image: a control that looks at nothing (Samek et al. 2017).

    Map (B, T, H, W) in [0, 1) at input size, from (seed, image) alone: the same for every class,
    every network and every perturbation of the image at one size. So metrics of robustness find
    no change in it, and its order of pixels is still chance.
    """
    targets = batch.targets.shape[1]
    drawn = [torch.rand(*batch.size, generator=ctx.generator(i, "random")) for i in batch.ids]
    maps = torch.stack(drawn).to(batch.images.device)
    return Explanation(maps[:, None].repeat(1, targets, 1, 1))
