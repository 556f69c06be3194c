"""Upsampling with the border stated, and min-max scaling."""

from __future__ import annotations

import functools
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from xaibench.ops.rows import one_thread

Border = Literal["clamp", "mirror"]


def upsample(maps: Tensor, size: tuple[int, int], border: Border = "clamp") -> Tensor:
    """Bilinear resize (B, h, w) -> (B, H, W) with half-pixel centres, no antialiasing.

    border 'clamp' repeats the edge value, as cv2.resize does; 'mirror' reflects about the edge,
    as skimage.transform.resize(order=1, mode='reflect') does. A constant map stays constant to
    the bit (min-max would otherwise stretch rounding errors to the whole range).
    """
    if maps.shape[-2:] == size:
        return maps
    if border == "clamp":
        large = bilinear(maps.contiguous()[:, None], size)[:, 0]
    else:
        rows = interpolation_matrix(maps.shape[-2], size[0]).to(maps)
        columns = interpolation_matrix(maps.shape[-1], size[1]).to(maps)
        large = maps.new_empty(len(maps), *size)
        with one_thread():  # a map at a time: the same bits whatever is beside it
            for i, one in enumerate(maps):
                large[i] = rows @ one.contiguous() @ columns.T
    first = maps[:, :1, :1]
    return torch.where((maps == first).flatten(1).all(1).view(-1, 1, 1), first, large)


def bilinear(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resize (N, C, h, w) -> (N, C, H, W), half-pixel centres, the edge value repeated.

    On a GPU a gradient goes through matrices: that of `interpolate` adds in any order there, and
    gives other bits every time.
    """
    if not (values.is_cuda and values.requires_grad):
        return F.interpolate(values, size, mode="bilinear", align_corners=False)
    return by_matrices(values, size)


def by_matrices(values: Tensor, size: tuple[int, int]) -> Tensor:
    """What `bilinear` gives, as two matrix products."""
    rows, columns = (
        interpolation_matrix(source, target, "clamp").to(values)
        for source, target in zip(values.shape[-2:], size, strict=True)
    )
    return rows @ values @ columns.T


@functools.lru_cache(maxsize=64)
def interpolation_matrix(source: int, target: int, border: Border = "mirror") -> Tensor:
    """Bilinear weights (target, source) float64, beyond the ends what `border` says."""
    centres = (torch.arange(target, dtype=torch.float64) + 0.5) * source / target - 0.5
    low = centres.floor()
    share = centres - low
    matrix = torch.zeros(target, source, dtype=torch.float64)
    for index, weight in ((low, 1 - share), (low + 1, share)):
        index = index.long()
        sources = index.clamp(0, source - 1) if border == "clamp" else reflect(index, source)
        matrix.scatter_add_(1, sources[:, None], weight[:, None])
    return matrix


def reflect(index: Tensor, length: int) -> Tensor:
    """Reflect indices into 0..length-1 without repeating the edge (NumPy's 'reflect')."""
    if length == 1:
        return torch.zeros_like(index)
    period = 2 * (length - 1)
    folded = index.abs() % period
    return torch.minimum(folded, period - folded)


def minmax(maps: Tensor) -> Tensor:
    """Scale each map (B, H, W) to [0, 1]; a constant map becomes zeros; NaN stays NaN."""
    flat = maps.flatten(1)
    low = flat.min(1).values.view(-1, 1, 1)
    span = flat.max(1).values.view(-1, 1, 1) - low
    return (maps - low) / torch.where(span == 0, torch.ones_like(span), span)
