"""RISE (Petsiuk et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from xaibench.ops.pairs import in_parts, weighted_sum
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
    title="RISE",
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

    def masks() -> Iterator[tuple[Tensor, Tensor]]:
        """Mask indices with their masks (n, H, W)."""

        def some(item: Tensor) -> Tensor:
            return render(grids[item].float(), shifts[item], batch.size)

        return in_parts(n_masks, ctx.batch_size, device, some)

    def masked() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Inputs, all images under some masks, with the indices of each one's image and mask."""
        for item, pictures in masks():
            for index, image in enumerate(batch.images):
                yield image * pictures[:, None], torch.full_like(item, index), item

    found = []
    for logits, owner, item in ctx.forwarded(masked()):
        values = logits.softmax(-1) if weights == "probability" else logits
        found.append((values.gather(1, batch.targets[owner]), owner, item))
    scores, owners, items = map(torch.cat, zip(*found, strict=True))
    table = scores.new_empty(len(batch), n_masks, scores.shape[1])
    table[owners, items] = scores
    return Explanation(weighted_sum(table, masks()) / (n_masks * p))
