"""Opti-CAM (Zhang et al. 2023)."""

import torch

from xaibench.ops.resize import minmax, upsample
from xaibench.probes.hooks import activations
from xaibench.registry import method
from xaibench.types import Batch, Context, Cost, Explanation, filled


@method(
    title="Opti-CAM",
    family="cam",
    normalization={"border": "clamp"},
    cost=lambda steps, **_: Cost(shared=1, forwards=steps, backwards=steps, at_once=1),
    citation="zhang2023opticam",
)
def opticam(
    ctx: Context, batch: Batch, _: None, *, layer: str = "cam", steps: int = 100, lr: float = 0.1
) -> Explanation:
    """Channel weights optimised so that the masked image keeps its logit (Zhang et al. 2023).

    Map (B, T, h, w) = sum_k softmax(u)_k A_k; Adam raises the logit of x * minmax(upsampled map)
    over u, from u = 1, each image by itself.
    """
    rows = ctx.classifier.rows_at(batch.size)  # always this many, however many images there are
    images, targets = filled(batch.images, rows), filled(batch.targets, rows)
    features = activations(ctx.classifier, layer, images)
    maps = []
    for classes in targets.T:
        u = torch.ones_like(features[..., :1, :1]).requires_grad_()
        optimizer = torch.optim.Adam([u], lr=lr)
        for _step in range(steps):
            with torch.enable_grad():
                large = upsample((u.softmax(1) * features).sum(1), batch.size)
                logits = ctx.classifier(images * minmax(large)[:, None])
                (u.grad,) = torch.autograd.grad(-logits.gather(1, classes[:, None]).sum(), u)
            optimizer.step()
        maps.append((u.detach().softmax(1) * features).sum(1))
    return Explanation(torch.stack(maps, 1)[: len(batch)])
