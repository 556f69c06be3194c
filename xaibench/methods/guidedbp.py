"""Guided backpropagation (Springenberg et al. 2015)."""

from __future__ import annotations

from xaibench.probes.gradients import BatchNorm, ExplainedClass, Reduction, gradient_maps
from xaibench.probes.guided import guided_relus
from xaibench.registry import method
from xaibench.types import Batch, Context, Cost, Explanation


@method(
    title="GuidedBP",
    family="gradient",
    groups=lambda batchnorm, **_: batchnorm == "train",
    only={"explained_class": ("predicted", "least_probable")},
    cost=lambda **_: Cost(shared=1, backwards=1),
    citation="springenberg2015striving",
)
def guidedbp(
    ctx: Context,
    batch: Batch,
    state: None,
    *,
    batchnorm: BatchNorm = "eval",
    explained_class: ExplainedClass = "given",
    reduction: Reduction = "abs_max",
) -> Explanation:
    """The gradient with every ReLU passing back positive signals only (Springenberg et al. 2015).

    Map (B, T, H, W) = max over channels of |guided gradient|. Raises XaibenchError where the
    network has no ReLU.
    """
    with guided_relus():
        return gradient_maps(ctx, batch, batchnorm, explained_class, reduction)
