"""Every image with every one of its items, in batches; weighted sums of pictures and of channels.

Sums are made an image and class at a time, in tensors of one shape and one thread, so that no value
depends on what else is computed with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from xaibench.ops.rows import one_thread
from xaibench.types import filled


def built(
    images: Tensor, items: int, size: int, make: Callable[[int, slice, Tensor], object]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs (n, 3, H, W), n <= size, of all pairs, and the image (n,) of each; image by image.

    make(image, items, out) writes the inputs of some of an image's items into `out`: they are made
    where the network reads them, without copies of the images (B, 3, H, W).
    """
    total = len(images) * items
    owners = torch.arange(len(images), device=images.device).repeat_interleave(items)
    for start in range(0, total, size):
        stop = min(start + size, total)
        out = images.new_empty(stop - start, *images.shape[1:])
        for image in range(start // items, -(-stop // items)):
            begin = image * items
            first, last = max(start, begin), min(stop, begin + items)
            make(image, slice(first - begin, last - begin), out[first - start : last - start])
        yield out, owners[start:stop]


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
