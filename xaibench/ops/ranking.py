"""Pixel order of a saliency map, with a stated order of ties."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from xaibench.meter import phase

Ties = Literal["row_major", "reverse", "random"]


def order(
    maps: Tensor, *, descending: bool, ties: Ties = "row_major", keys: Tensor | None = None
) -> Tensor:
    """Flat pixel indices (B, H*W) sorted by saliency.

    maps (B, H, W). Ties: by pixel index ascending (row_major), descending (reverse), or by the
    order of `keys` (B, H*W), which `random` needs: distinct numbers drawn from a seed.
    """
    with phase("ranking"):
        return _order(maps.flatten(1), descending, ties, keys)


def _order(flat: Tensor, descending: bool, ties: Ties, keys: Tensor | None) -> Tensor:
    if ties == "row_major":
        return flat.argsort(dim=1, descending=descending, stable=True)
    if ties == "reverse":
        last = flat.shape[1] - 1
        return last - flat.flip(1).argsort(dim=1, descending=descending, stable=True)
    if keys is None:
        raise ValueError("ties='random' needs keys")
    shuffle = keys.argsort(dim=1)
    inner = flat.gather(1, shuffle).argsort(dim=1, descending=descending, stable=True)
    return shuffle.gather(1, inner)


def ranks(indices: Tensor) -> Tensor:
    """The inverse of an order: position (B, N) of every pixel in `indices` (B, N)."""
    with phase("ranking"):
        positions = torch.arange(indices.shape[1], device=indices.device).expand_as(indices)
        return torch.empty_like(indices).scatter_(1, indices, positions)
