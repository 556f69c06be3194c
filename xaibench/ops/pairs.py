"""Every image with every one of its items, in chunks; weighted sums of pictures and of channels.

Sums are made an image and class at a time, in tensors of one shape and one thread, so that no value
depends on what else is computed with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from xaibench.ops.rows import one_thread
from xaibench.types import filled


def chunks(
    images: int, items: int, size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Indices (n,) of images and items for all pairs, image by image, n <= size."""
    total = images * items
    for start in range(0, total, size):
        pair = torch.arange(start, min(start + size, total), device=device)
        yield pair // items, pair % items


def in_parts(
    items: int, size: int, device: torch.device, render: Callable[[Tensor], Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Item indices (n,), n <= size, with render(indices): it always gets `size` of them."""
    for some in torch.arange(items, device=device).split(size):
        yield some, render(filled(some, size))[: len(some)]


def weighted_sum(weights: Tensor, parts: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
    """Sum over items of weight * picture: (B, T, H, W); NaN where a weight is not finite.

    weights (B, items, T); parts: item indices (n,) with their pictures (n, H, W), which all images
    share; only one part is held at a time.
    """
    good = weights.isfinite()
    held = torch.where(good, weights, 0.0)  # 0 * NaN would reach the whole picture
    total: Tensor | None = None
    for item, pictures in parts:
        flat = pictures.flatten(1)
        with one_thread():
            rows = [[_combined(column, flat) for column in image.T] for image in held[:, item]]
        added = torch.stack([torch.stack(row) for row in rows])
        total = added if total is None else total + added
    assert total is not None
    total = total.view(*total.shape[:2], *pictures.shape[1:])
    return torch.where(good.all(1)[..., None, None], total, torch.nan)


def combined_channels(weights: Tensor, maps: Tensor) -> Tensor:
    """Sum over channels of weight * map: weights (B, T, C), maps (B, C, h, w) -> (B, T, h, w)."""
    flat = [one.reshape(len(one), -1).contiguous() for one in maps]
    with one_thread():
        rows = [
            torch.stack([_combined(w, channels) for w in row])
            for row, channels in zip(weights, flat, strict=True)
        ]
    return torch.stack(rows).view(*weights.shape[:2], *maps.shape[2:])


def _combined(weights: Tensor, pictures: Tensor) -> Tensor:
    """(n,) and (n, P) -> (P,)."""
    return (weights[:, None].to(pictures.dtype) * pictures).sum(0)


def over_space(values: Tensor) -> Tensor:
    """Sum over the last two dimensions, row by row: (..., h, w) -> (...)."""
    return values.flatten(-2).contiguous().sum(-1)
