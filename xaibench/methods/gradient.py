"""The gradient of a logit with respect to the input (Simonyan et al. 2014)."""

from __future__ import annotations

from xaibench.probes.gradients import BatchNorm, ExplainedClass, Reduction, gradient_maps
from xaibench.registry import method
from xaibench.types import Batch, Context, Cost, Explanation


@method(
    title="Gradient",
    family="gradient",
    groups=lambda batchnorm, **_: batchnorm == "train",
    only={"explained_class": ("predicted", "least_probable")},
    cost=lambda **_: Cost(shared=1, backwards=1),
    citation="simonyan2014deep",
)
def gradient(
    ctx: Context,
    batch: Batch,
    state: None,
    *,
    batchnorm: BatchNorm = "eval",
    explained_class: ExplainedClass = "given",
    reduction: Reduction = "abs_max",
) -> Explanation:
    """Largest absolute gradient of the logit over the colour channels (Simonyan et al. 2014).

    Map (B, T, H, W) = max over channels of |d logit / d input|, section 3.1. batchnorm='train'
    uses each group's own batch statistics.
    """
    return gradient_maps(ctx, batch, batchnorm, explained_class, reduction)
