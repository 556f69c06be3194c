"""Streams of (image, item) pairs in full chunks: every image with every one of its items."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor


def chunks(
    images: int, items: int, size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Indices (n,) of images and items for all pairs, image by image, n <= size."""
    total = images * items
    for start in range(0, total, size):
        pair = torch.arange(start, min(start + size, total), device=device)
        yield pair // items, pair % items


def weighted_sum(
    images: int,
    items: int,
    size: int,
    device: torch.device,
    weights: Tensor,
    render: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Sum over items of weight * picture: (images, T, H, W).

    weights (images, items, T); render(image indices, item indices) gives pictures (n, H, W). Only
    `size` pictures are held at a time; sums are matrix products, so their order is fixed.
    """
    total: Tensor | None = None
    good = weights.isfinite()
    weights = torch.where(good, weights, 0.0)  # 0 * NaN would reach the other images
    for image, item in chunks(images, items, size, device):
        pictures = render(image, item)
        owner = torch.nn.functional.one_hot(image, images).to(pictures.dtype)  # (n, images)
        parts = weights[image, item].to(pictures.dtype)  # (n, T)
        spread = torch.einsum("ni,nt->itn", owner, parts).flatten(0, 1)
        added = (spread @ pictures.flatten(1)).view(images, -1, *pictures.shape[-2:])
        total = added if total is None else total + added
    assert total is not None
    return torch.where(good.all(1)[..., None, None], total, torch.nan)
