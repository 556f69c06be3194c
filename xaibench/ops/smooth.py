"""Gaussian smoothing of feature maps of any size, mirrored at the border."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from xaibench.ops.resize import reflect


@functools.lru_cache(maxsize=64)
def smoothing_matrix(length: int, sigma: float, kernel: int) -> Tensor:
    """Weights (length, length) float64 of a one-dimensional Gaussian window of `kernel` taps.

    The border mirrors without repeating the edge, as torch's 'reflect' padding does, but folds
    as often as needed where the map is smaller than the window.
    """
    offsets = torch.arange(kernel) - kernel // 2
    taps = torch.exp(-(offsets.double() ** 2) / (2 * sigma**2))
    taps /= taps.sum()
    matrix = torch.zeros(length, length, dtype=torch.float64)
    rows = torch.arange(length)
    for offset, tap in zip(offsets.tolist(), taps, strict=True):
        sources = reflect(rows + offset, length)
        matrix.scatter_add_(1, sources[:, None], tap.expand(length, 1))
    return matrix


def gaussian(maps: Tensor, sigma: float, kernel: int) -> Tensor:
    """Smooth (..., h, w) with a kernel x kernel Gaussian window (separable)."""
    rows = smoothing_matrix(maps.shape[-2], sigma, kernel).to(maps)
    columns = smoothing_matrix(maps.shape[-1], sigma, kernel).to(maps)
    return rows @ maps @ columns.T
