"""Perturbation curves: images with their most salient pixels replaced, and the area below."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


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
    size = start.shape[-2:]
    levels = torch.tensor(counts, device=start.device)
    rows = torch.arange(len(start), device=start.device).repeat_interleave(len(counts))
    thresholds = levels.repeat(len(start))
    rank = ranks.view(-1, 1, *size)
    for first in range(0, len(rows), chunk):
        some = rows[first : first + chunk]
        changed = rank[some] < thresholds[first : first + chunk].view(-1, 1, 1, 1)
        yield torch.where(changed, end[some], start[some]), some


def normalized_auc(curve: Tensor) -> Tensor:
    """Trapezoid area (B,) under curves (B, S), the x axis scaled to [0, 1]."""
    values = curve.double().contiguous()
    area = values.sum(1) - (values[:, 0] + values[:, -1]) / 2
    return area / (values.shape[1] - 1)
