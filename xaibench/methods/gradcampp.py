"""Grad-CAM++ (Chattopadhay et al. 2018)."""

from __future__ import annotations

import torch

from xaibench.hooks import activations_and_gradients
from xaibench.registry import method
from xaibench.types import Batch, Context, Cost, Explanation


@method(
    family="cam",
    normalization={"rectify": "relu", "border": "clamp"},
    cost=lambda **_: Cost(shared=1, backwards=1),
    citation="chattopadhay2018gradcampp",
)
def gradcampp(ctx: Context, batch: Batch, state: None, *, layer: str = "cam") -> Explanation:
    """Grad-CAM with pixel-wise weights of positive gradients (Chattopadhay et al. 2018).

    Map (B, T, h, w) = sum_k w_k A_k, signed; w_k = sum over space of alpha relu(g) with
    alpha = g^2 / (2 g^2 + (sum over space of A_k) g^3 + 1e-6), 0 where g = 0 (equation 19 for
    the exponential of the logit).
    """
    activations, g = activations_and_gradients(ctx.classifier, layer, batch.images, batch.targets)
    total = activations.sum((-2, -1), keepdim=True)[:, None]
    alpha = g**2 / (2 * g**2 + total * g**3 + 1e-6)
    alpha = torch.where(g == 0, 0.0, alpha)
    weights = (alpha * g.clamp(min=0)).sum((-2, -1))
    return Explanation((weights[..., None, None] * activations[:, None]).sum(2))
