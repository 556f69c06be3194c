"""Rank correlation, Gini index and entropy of rows, in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from xaibench.ops.rows import one_thread


def mean_ranks(values: Tensor) -> Tensor:
    """Ranks (B, N) from 1, equal values sharing the mean of their places."""
    ordered = values.sort(dim=1).values.contiguous()
    low = torch.searchsorted(ordered, values.contiguous(), right=False)
    high = torch.searchsorted(ordered, values.contiguous(), right=True)
    return (low + high + 1).double() / 2


def spearman(a: Tensor, b: Tensor) -> Tensor:
    """Spearman correlation (B,) of rows (B, N); NaN where a row is constant or not finite."""
    finite = a.isfinite().all(1) & b.isfinite().all(1)
    x, y = mean_ranks(a.double()), mean_ranks(b.double())
    with one_thread():
        x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
        correlation = (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))
    return torch.where(finite, correlation.clamp(-1, 1), torch.nan)


def gini(values: Tensor, shift: float = 1e-7) -> Tensor:
    """Gini index (B,) of non-negative rows (B, N), `shift` added to each."""
    ordered = (values.double() + shift).sort(dim=1).values
    count = ordered.shape[1]
    ranks = torch.arange(1, count + 1, device=values.device, dtype=torch.float64)
    with one_thread():
        return ((2 * ranks - count - 1) * ordered).sum(1) / (count * ordered.sum(1))


def entropy(values: Tensor) -> Tensor:
    """Shannon entropy (B,) in nats of non-negative rows (B, N) as distributions; NaN if all 0."""
    flat = values.double().contiguous()
    with one_thread():
        share = flat / flat.sum(1, keepdim=True)
        return -torch.special.xlogy(share, share).sum(1)
