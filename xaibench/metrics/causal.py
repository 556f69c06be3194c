"""Insertion and deletion (Petsiuk et al. 2018)."""

from __future__ import annotations

from collections.abc import Generator
from itertools import chain
from typing import Annotated

import torch
from torch import Tensor

from xaibench.ops.blur import blur
from xaibench.ops.curves import normalized_auc, perturbed, step_sizes
from xaibench.ops.ranking import Ties, order, ranks
from xaibench.ops.rows import in_rows
from xaibench.registry import Range, metric
from xaibench.types import Answer, Forwards, MetricCost, Rows, Scoring, Values


@metric(
    keys={
        "insertion": {
            "title": "Insertion",
            "short": "I",
            "doc": "Area under the probability curve as the most salient pixels appear.",
            "direction": "higher",
            "range": (0, 1),
            "unit": "probability",
            "group": "fidelity",
            "curve": True,
        },
        "deletion": {
            "title": "Deletion",
            "short": "D",
            "doc": "Area under the probability curve as the most salient pixels vanish.",
            "direction": "lower",
            "range": (0, 1),
            "unit": "probability",
            "group": "fidelity",
            "curve": True,
        },
    },
    orders=("reverse", "row_major", "random"),  # of equal pixels, in the option `ties`
    needs=("forwards",),
    only={"kernel": ("insertion",), "sigma": ("insertion",), "tie_seed": ("ties=random",)},
    cost=lambda rows_per_step, height=224, wanted=("",), **_: MetricCost(
        forwards=len(wanted) * (-(-height // rows_per_step) - 1),
        shared="insertion" in wanted,  # the blurred image
        call="deletion" in wanted,  # the last one
    ),
    citation="petsiuk2018rise",
)
def causal(
    scoring: Scoring,
    *,
    rows_per_step: Annotated[int, Range(1)] = 1,
    kernel: Annotated[int, Range(1, odd=True)] = 11,
    sigma: Annotated[float, Range(1e-3)] = 5.0,
    ties: Ties = "reverse",
    tie_seed: int = 0,
) -> Generator[Forwards, Answer, Values]:
    """Area under the probability curve as the most salient pixels are added or removed.

    Insertion goes from the blurred to the untouched image, deletion from the untouched image to
    zeros in normalised space (the mean colour), rows_per_step * W pixels a step; trapezoid AUC
    over [0, 1] of the curve, which holds both ends. ties orders equal pixels: 'reverse' as the
    official code does, which reverses an ascending order; tie_seed is used by ties='random'.
    """
    images = scoring.batch.images
    chunk = scoring.ctx.batch_size
    keys = _tie_keys(scoring, tie_seed) if ties == "random" else None
    rank = ranks(order(scoring.maps, descending=True, ties=ties, keys=keys))
    counts = step_sizes(*scoring.batch.size, rows_per_step)[:-1]
    untouched = scoring.probability[:, None]
    curves: dict[str, tuple[Tensor, Tensor]] = {}
    requests = []
    if "insertion" in scoring.wanted:
        rows = scoring.ctx.classifier.rows_at(scoring.batch.size)
        blurred = in_rows(lambda part: blur(part, kernel, sigma), images, rows)
        first = scoring.shared(f"blur {kernel} {sigma}", lambda: blurred).probability
        curves["insertion"] = (first[:, None], untouched)
        requests.append(perturbed(blurred, images, rank, counts, chunk))
    if "deletion" in scoring.wanted:
        last = scoring.shared("zeros", lambda: torch.zeros_like(images[:1])).probability
        curves["deletion"] = (untouched, last[:, None])
        requests.append(perturbed(images, torch.zeros_like(images), rank, counts, chunk))
    answer = yield Forwards(chain(*requests))
    inner = answer.probability.view(len(curves), len(images), len(counts))
    whole = {
        key: torch.cat([start, inner[i], end], 1)
        for i, (key, (start, end)) in enumerate(curves.items())
    }
    return {key: Rows(normalized_auc(curve), curve=curve) for key, curve in whole.items()}


def _tie_keys(scoring: Scoring, tie_seed: int) -> Tensor:
    height, width = scoring.batch.size
    drawn = [
        torch.randperm(height * width, generator=scoring.ctx.generator(i, f"ties {tie_seed}"))
        for i in scoring.batch.ids
    ]
    return torch.stack(drawn).to(scoring.maps.device)
