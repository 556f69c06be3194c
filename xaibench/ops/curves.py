"""Perturbation curves: images with their most salient pixels replaced, and the area below."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from xaibench.ops.pairs import built


def step_sizes(height: int, width: int, rows_per_step: int) -> list[int]:
    """Pixels changed after each step: rows_per_step * width more, the last takes what is left."""
    total, step = height * width, rows_per_step * width
    return [*range(step, total, step), total]


def perturbed(
    start: Tensor, end: Tensor, ranks: Tensor, counts: list[int], chunk: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """`start` with the `count` highest-ranked pixels taken from `end`, for every image and count.

    start, end (B, 3, H, W); ranks (B, H*W), 0 = first to change. Yields (inputs (n, 3, H, W),
    rows (n,)) with n <= chunk, image by image, counts ascending: in all B * len(counts) inputs.
    """
    levels = torch.tensor(counts, dtype=torch.int32, device=start.device).view(-1, 1, 1, 1)
    rank = ranks.int().view(-1, 1, *start.shape[-2:])

    def change(image: int, steps: slice, out: Tensor) -> None:
        torch.where(rank[image] < levels[steps], end[image], start[image], out=out)

    return built(start, len(counts), chunk, change)


def normalized_auc(curve: Tensor) -> Tensor:
    """Trapezoid area (B,) under curves (B, S), the x axis scaled to [0, 1]."""
    values = curve.double().contiguous()
    area = values.sum(1) - (values[:, 0] + values[:, -1]) / 2
    return area / (values.shape[1] - 1)
