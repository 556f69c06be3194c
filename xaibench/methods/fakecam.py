"""Fake-CAM (Poppi et al. 2021): a map that explains nothing, as a control."""

from __future__ import annotations

import torch

from xaibench.registry import method
from xaibench.types import Batch, Context, Cost, Explanation


@method(
    title="Fake-CAM",
    family="control",
    blind=True,
    fixed="constant but for one pixel",  # its map, whatever the input
    cost=lambda **_: Cost(),
    citation="poppi2021revisiting",
)
def fakecam(ctx: Context, batch: Batch, state: None) -> Explanation:
    """Ones everywhere but a zero at the first pixel: a control that looks at nothing.

    Map (B, T, H, W) at input size (Poppi et al. 2021).
    """
    maps = torch.ones(*batch.targets.shape, *batch.size, device=batch.images.device)
    maps[..., 0, 0] = 0
    return Explanation(maps)
