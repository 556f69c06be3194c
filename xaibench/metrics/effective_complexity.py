"""Effective complexity (Nguyen & Martinez 2020): how many pixels does the explanation need?"""

from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, Literal

import torch
from torch import Tensor

from xaibench.ops.pairs import built
from xaibench.ops.ranking import order, ranks
from xaibench.probes.draws import fills
from xaibench.registry import Range, metric
from xaibench.types import Answer, Forwards, Scoring, Values


@metric(
    keys={
        "effective_complexity": {
            "title": "Effective complexity",
            "short": "EC",
            "doc": "Number of salient pixels: above a threshold, or enough to keep p.",
            "direction": "lower",
            "range": (0, None),
            "unit": "pixels",
            "group": "complexity",
        }
    },
    only={
        "threshold": ("definition=threshold",),
        "rows_per_step": ("definition=loss",),
        "draws": ("definition=loss",),
        "tolerance": ("definition=loss",),
    },
    needs=lambda definition, **_: ("forwards",) if definition == "loss" else (),
    cost=lambda definition, rows_per_step, draws, height=224, **_: (
        draws * -(-height // rows_per_step) if definition == "loss" else 0
    ),
    citation="nguyen2020quantitative",
)
def effective_complexity(
    scoring: Scoring,
    *,
    definition: Literal["loss", "threshold"] = "loss",
    threshold: float = 1e-5,
    rows_per_step: Annotated[int, Range(1)] = 8,
    draws: Annotated[int, Range(1)] = 10,
    tolerance: Annotated[float, Range(0)] = 0.05**2,
) -> Values | Generator[Forwards, Answer, Values]:
    """The fewest most salient pixels that keep the class's probability (section 4 of the paper).

    loss: the smallest k, in steps of rows_per_step * W from 0 on, such that the mean over `draws`
    of (q - p)^2 is at most `tolerance` when the k most salient pixels are kept and all others are
    replaced by uniform [0, 1) values, one per channel and draw; ties by pixel index descending.
    All pixels always suffice. threshold: the number of pixels above `threshold`, as Quantus counts.
    NaN where a probability is not finite.
    """
    if definition == "threshold":
        return _above(scoring, threshold)
    return _needed(scoring, rows_per_step, draws, tolerance)


def _above(scoring: Scoring, threshold: float) -> Values:
    return {"effective_complexity": (scoring.maps.flatten(1) > threshold).sum(1).double()}


def _needed(
    scoring: Scoring, rows_per_step: int, draws: int, tolerance: float
) -> Generator[Forwards, Answer, Values]:
    images, device = scoring.batch.images, scoring.batch.images.device
    count, (height, width) = len(images), scoring.batch.size
    size = rows_per_step * width
    kept = torch.arange(0, height * width, size, device=device)  # keeping all needs no forward
    rank = ranks(order(scoring.maps, descending=True, ties="reverse")).int()
    rank, most = rank.view(count, 1, height, width), kept.int().repeat_interleave(draws)
    drawn = fills(scoring.ctx, scoring.batch.ids, len(kept), draws, 3, "effective complexity")
    most, fill = most.view(-1, 1, 1, 1), drawn.to(device).view(count, -1, 3, 1, 1)

    def replace(image: int, items: slice, out: Tensor) -> None:
        torch.where(rank[image] < most[items], images[image], fill[image, items], out=out)

    answer = yield Forwards(built(images, len(kept) * draws, scoring.ctx.batch_size, replace))
    p = scoring.probability.double().view(-1, 1, 1)
    loss = ((answer.probability.view(count, len(kept), draws) - p) ** 2).mean(2)
    enough = torch.cat([loss <= tolerance, torch.ones_like(loss[:, :1], dtype=torch.bool)], 1)
    steps = enough.double().argmax(1)  # the first
    pixels = torch.cat([kept, kept.new_tensor([height * width])])[steps].double()
    return {"effective_complexity": torch.where(loss.isfinite().all(1), pixels, torch.nan)}
