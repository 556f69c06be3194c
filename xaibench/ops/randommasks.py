"""RISE's random masks: a small Bernoulli grid, upsampled and shifted (Petsiuk et al. 2018, 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from xaibench.ops.resize import interpolation_matrix


def draw_grids(
    count: int, cells: int, p: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Bernoulli(p) grids (N, cells, cells) uint8 and shifts (N, 2) in [0, 1) as parts of a cell."""
    grids = torch.rand(count, cells, cells, generator=generator) < p
    return grids.to(torch.uint8), torch.rand(count, 2, generator=generator)


def render(grids: Tensor, shifts: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks (n, H, W) in [0, 1] from grids (n, s, s) and shifts (n, 2) in [0, 1).

    The grid is resized bilinearly (half-pixel centres, mirrored border) to (s + 1) cells of
    ceil(H / s) x ceil(W / s) pixels and cropped at floor(shift * cell).
    """
    rows = _window(grids.shape[-2], size[0], shifts[:, 0]).to(grids)
    columns = _window(grids.shape[-1], size[1], shifts[:, 1]).to(grids)
    return rows @ grids @ columns.transpose(1, 2)


def _window(cells: int, length: int, shift: Tensor) -> Tensor:
    """Interpolation weights (n, length, cells) of the window that starts at each shift."""
    cell = -(-length // cells)
    weights = interpolation_matrix(cells, (cells + 1) * cell).to(shift.device)
    start = (shift * cell).long()
    return weights[start[:, None] + torch.arange(length, device=shift.device)]
