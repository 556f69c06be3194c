"""Monotonicity correlation (Nguyen & Martinez 2020)."""

from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from xaibench.ops.pairs import built
from xaibench.ops.ranking import order, ranks
from xaibench.ops.statistics import spearman
from xaibench.probes.draws import fills
from xaibench.registry import Range, metric
from xaibench.types import Answer, Forwards, Scoring, Values

SMALL = 1e-5


@metric(
    keys={
        "monotonicity": {
            "title": "Monotonicity",
            "short": "M",
            "doc": "Rank correlation of saliency with the effect of replacing pixels.",
            "direction": "higher",
            "range": (-1, 1),
            "unit": "Spearman's rho",
            "group": "fidelity",
        }
    },
    needs=("forwards",),
    cost=lambda rows_per_step, draws, height=224, features="pixels", **_: (
        draws * -(-height * (3 if features == "channels" else 1) // rows_per_step)
    ),
    citation="nguyen2020quantitative",
)
def monotonicity(
    scoring: Scoring,
    *,
    rows_per_step: Annotated[int, Range(1)] = 8,
    draws: Annotated[int, Range(1)] = 10,
    features: Literal["pixels", "channels"] = "pixels",
    ties: Literal["row_major", "reverse"] = "row_major",
) -> Generator[Forwards, Answer, Values]:
    """Spearman correlation of a step's summed saliency with the effect of replacing its features.

    Features in ascending saliency, rows_per_step * W a step; each step alone is replaced in the
    untouched image by uniform [0, 1) values, `draws` times; effect = mean (q - p)^2 / p^2, the
    divisor 1 where p < 1e-5. pixels: all channels of a pixel, one value per channel (Quantus 0.5);
    channels: the 3 H W entries, one value for all (Quantus 0.6). NaN where either side is constant.
    """
    images, device = scoring.batch.images, scoring.batch.images.device
    count, (height, width) = len(images), scoring.batch.size
    maps = scoring.maps if features == "pixels" else scoring.maps.repeat(1, 3, 1)
    values = 1 if features == "channels" else 3
    size = rows_per_step * width
    steps = -(-maps[0].numel() // size)
    ascending = order(maps, descending=False, ties=ties)
    step_of = ranks(ascending) // size  # (B, features)
    drawn = fills(scoring.ctx, scoring.batch.ids, steps, draws, values).to(device)
    step_of_pixel = step_of.int().view(count, -1, height, width)
    step_of_item = torch.arange(steps, dtype=torch.int32, device=device).repeat_interleave(draws)
    step_of_item, fill = step_of_item.view(-1, 1, 1, 1), drawn.view(count, -1, values, 1, 1)

    def replace(image: int, items: slice, out: Tensor) -> None:
        chosen = step_of_pixel[image] == step_of_item[items]
        torch.where(chosen, fill[image, items], images[image], out=out)

    answer = yield Forwards(built(images, steps * draws, scoring.ctx.batch_size, replace))
    p = scoring.probability.double()
    q = answer.probability.double().view(count, steps, draws)
    divisor = torch.where(p < SMALL, 1.0, p**2)
    effect = ((q - p.view(-1, 1, 1)) ** 2).mean(2) / divisor[:, None]
    ordered = maps.flatten(1).double().gather(1, ascending)
    whole = F.pad(ordered, (0, steps * size - ordered.shape[1]))
    return {"monotonicity": spearman(whole.view(count, steps, size).sum(2), effect)}
