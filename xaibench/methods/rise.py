"""RISE (Petsiuk et al. 2018)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from xaibench.ops.pairs import chunks, weighted_sum
from xaibench.ops.randommasks import draw_grids, render
from xaibench.registry import Range, method
from xaibench.types import Batch, Context, Cost, Explanation


def prepare(
    ctx: Context, images: Any, *, n_masks: int, cells: int, p: float, **_: Any
) -> dict[str, Tensor]:
    """The run's masks as grids (N, cells, cells) and shifts (N, 2); about cells^2 bytes a mask."""
    generator = ctx.generator("", f"rise n_masks={n_masks} cells={cells} p={p}")
    grids, shifts = draw_grids(n_masks, cells, p, generator)
    return {"grids": grids, "shifts": shifts}


@method(
    family="perturbation",
    prepare=prepare,
    cost=lambda n_masks, **_: Cost(shared=n_masks),
    citation="petsiuk2018rise",
)
def rise(
    ctx: Context,
    batch: Batch,
    state: dict[str, Tensor],
    *,
    n_masks: Annotated[int, Range(1)] = 8000,
    cells: Annotated[int, Range(1)] = 7,
    p: Annotated[float, Range(1e-6, 1)] = 0.5,
    weights: Literal["probability", "logit"] = "probability",
) -> Explanation:
    """Random masks weighted by the class's score under each (Petsiuk et al. 2018).

    Map (B, T, H, W) = sum_i score(x * M_i) M_i / (N p), equation 6, masks on the normalised input;
    the masks are the run's, the same for every image. One pass a mask serves all targets.
    """
    device = batch.images.device
    grids, shifts = state["grids"].to(device), state["shifts"].to(device)

    def mask(_: Tensor, item: Tensor) -> Tensor:
        return render(grids[item].float(), shifts[item], batch.size)

    count, size = len(batch), ctx.batch_size
    scores = []
    pairs = list(chunks(count, n_masks, size, device))
    stream = ctx.stream(batch.images[image] * mask(image, item)[:, None] for image, item in pairs)
    for logits, (image, _item) in zip(stream, pairs, strict=True):
        found = logits.softmax(-1) if weights == "probability" else logits
        scores.append(found.gather(1, batch.targets[image]))
    table = torch.cat(scores).view(count, n_masks, -1)
    return Explanation(weighted_sum(count, n_masks, size, device, table, mask) / (n_masks * p))
