"""LIME's linear models over segments, as captum and the lime package fit them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from xaibench.ops.rows import one_thread


def mean_colours(image: Tensor, segments: Tensor) -> Tensor:
    """The image (3, H, W) with every segment (H, W), on the CPU, painted in its mean colour."""
    flat = segments.flatten()
    count = int(flat.max()) + 1
    sums = torch.zeros(3, count, dtype=torch.float64)
    sums.index_add_(1, flat, image.flatten(1).double().cpu())  # on a GPU the order varies
    sizes = torch.bincount(flat, minlength=count)
    return (sums / sizes)[:, segments].to(image)


def fit(
    kind: Literal["ridge", "lasso"], shown: Tensor, scores: Tensor, segments: Tensor, energy: Tensor
) -> Tensor:
    """Coefficients (T, d) float32 of the weighted linear model, intercept left out.

    shown (n, d) 0/1; scores (n, T); energy (H, W): squared change of each pixel when hidden.
    """
    samples = shown.double().cpu()
    targets = scores.double().cpu()
    with one_thread():
        if kind == "ridge":
            return _ridge(samples, targets, _cosine_weights(samples)).float()
        flat = segments.flatten().cpu()
        cost = torch.zeros(samples.shape[1], dtype=torch.float64)
        cost.index_add_(0, flat, energy.flatten().double().cpu())
        squared = (1 - samples) @ cost
        return _lasso(samples, targets, torch.exp(-squared / (2 * 1000.0**2))).float()


def _cosine_weights(samples: Tensor, width: float = 0.25) -> Tensor:
    """sqrt(exp(-d^2 / width^2)) with d the cosine distance to the row of ones (lime package)."""
    norms = samples.norm(dim=1)
    similarity = samples.sum(1) / (norms * samples.shape[1] ** 0.5)
    distance = torch.where(norms == 0, 1.0, 1 - similarity)
    return torch.exp(-(distance**2) / width**2).sqrt()


def _ridge(samples: Tensor, targets: Tensor, weights: Tensor, alpha: float = 1.0) -> Tensor:
    """Weighted ridge regression with an unpenalised intercept, in closed form: (T, d).

    One target at a time, so that no result depends on which others are fitted.
    """
    share = weights / weights.sum()
    targets = targets - targets[:1]  # so that the intercept fits a constant target exactly
    x = samples - share @ samples
    weighted = x * weights[:, None]
    gram = weighted.T @ x + alpha * torch.eye(x.shape[1], dtype=x.dtype)
    return torch.stack(
        [torch.linalg.solve(gram, weighted.T @ (y - share @ y)) for y in targets.T.contiguous()]
    )


def _lasso(samples: Tensor, targets: Tensor, weights: Tensor, alpha: float = 0.08) -> Tensor:
    """scikit-learn's Lasso with sample weights, as captum calls it: (T, d)."""
    from sklearn.linear_model import Lasso

    x, w = samples.numpy(), weights.numpy()
    model = Lasso(alpha=alpha, random_state=0)  # has no effect, but None uses the global one
    coefficients = torch.full((targets.shape[1], samples.shape[1]), torch.nan, dtype=samples.dtype)
    for row, y in zip(coefficients, targets.T, strict=True):
        if y.isfinite().all():  # scikit-learn would raise; the map is NaN instead
            row[:] = torch.from_numpy(model.fit(x, y.numpy(), sample_weight=w).coef_)
    return coefficients
