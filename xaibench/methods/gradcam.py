"""Grad-CAM (Selvaraju et al. 2017)."""

from __future__ import annotations

from xaibench.ops.pairs import combined_channels, over_space
from xaibench.probes.hooks import activations_and_gradients
from xaibench.registry import method
from xaibench.types import Batch, Context, Cost, Explanation


@method(
    title="Grad-CAM",
    family="cam",
    normalization={"rectify": "relu", "border": "clamp"},
    cost=lambda **_: Cost(shared=1, backwards=1),
    citation="selvaraju2017gradcam",
)
def gradcam(ctx: Context, batch: Batch, state: None, *, layer: str = "cam") -> Explanation:
    """Channels of the last convolution weighted by their mean gradient (Selvaraju et al. 2017).

    Map (B, T, h, w) = sum_k w_k A_k with w_k the spatial mean of d logit / dA_k, signed: the
    ReLU of equation 2 belongs to the normalisation.
    """
    activations, gradients = activations_and_gradients(
        ctx.classifier, layer, batch.images, batch.targets
    )
    weights = over_space(gradients) / activations[0, 0].numel()
    return Explanation(combined_channels(weights, activations))
