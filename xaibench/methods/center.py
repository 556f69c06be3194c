"""A Gaussian at the centre of the image: a map of where photographs show things, as a control."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from xaibench.registry import Range, method
from xaibench.types import Batch, Context, Cost, Explanation


def _bell(length: int, sigma: float, device: torch.device) -> Tensor:
    """exp(-d^2 / 2) (length,), d from the middle in units of sigma * length."""
    places = torch.arange(length, device=device) - (length - 1) / 2
    return (-0.5 * (places / (sigma * length)).square()).exp()


@method(
    title="Center",
    family="control",
    blind=True,
    opt_in=True,
    cost=lambda **_: Cost(),
    citation="zhang2018pointing",
)
def center(
    ctx: Context, batch: Batch, state: None, *, sigma: Annotated[float, Range(0.01, 10)] = 0.25
) -> Explanation:
    """A Gaussian at the centre: a control that looks at nothing (the centre of Zhang et al. 2018).

    Map (B, T, H, W) at input size, 1 at the centre; sigma: its standard deviation as a share of
    the height and of the width. The same for every image and class.
    """
    rows, columns = (_bell(side, sigma, batch.images.device) for side in batch.size)
    return Explanation((rows[:, None] * columns).repeat(*batch.targets.shape, 1, 1))
