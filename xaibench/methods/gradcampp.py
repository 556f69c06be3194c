"""Grad-CAM++ (Chattopadhay et al. 2018)."""

from __future__ import annotations

from typing import Annotated

import torch

from xaibench.ops.pairs import combined_channels, over_space
from xaibench.probes.hooks import activations_and_gradients
from xaibench.registry import Range, method
from xaibench.types import Batch, Context, Cost, Explanation


@method(
    title="Grad-CAM++",
    family="cam",
    normalization={"rectify": "relu", "border": "clamp"},
    cost=lambda **_: Cost(shared=1, backwards=1),
    citation="chattopadhay2018gradcampp",
)
def gradcampp(
    ctx: Context,
    batch: Batch,
    state: None,
    *,
    layer: str = "cam",
    epsilon: Annotated[float, Range(0)] = 0.0,
) -> Explanation:
    """Grad-CAM with pixel-wise weights of positive gradients (Chattopadhay et al. 2018).

    Map (B, T, h, w) = sum_k w_k A_k, signed; w_k = sum over space of alpha relu(g) with
    alpha = g^2 / (2 g^2 + (sum over space of A_k) g^3 + epsilon), 0 where g or the denominator is
    0 (equation 19 for the exponential of the logit). epsilon: 0 in the paper and its code, 1e-6 in
    pytorch-grad-cam, which is much where g is small.
    """
    activations, g = activations_and_gradients(ctx.classifier, layer, batch.images, batch.targets)
    total = over_space(activations)[:, None, :, None, None]
    below = 2 * g**2 + total * g**3 + epsilon
    alpha = torch.where((g == 0) | (below == 0), 0.0, g**2 / below)
    weights = over_space(alpha * g.clamp(min=0))
    return Explanation(combined_channels(weights, activations))
