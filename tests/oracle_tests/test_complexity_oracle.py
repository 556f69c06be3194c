"""The oracle of effective complexity by loss, on networks that read a few pixels."""

from __future__ import annotations

import numpy as np
import torch
from oracles import complexity
from torch import nn
from toys import lopsided


def test_effective_complexity_of_a_network_that_reads_one_row() -> None:
    """Keeping the row that the network reads is enough; a map that ranks it last needs all."""

    class Row(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            total = images[:, :, 2].sum(dim=(1, 2))
            return torch.stack([total, torch.zeros_like(total)], dim=1)

    x = torch.full((3, 8, 8), 1.0)
    fills = np.random.default_rng(0).random((8, 10, 3)) - 1.0
    first, last = np.zeros((8, 8)), np.zeros((8, 8))
    first[2], last[2] = 1.0, -1.0
    assert complexity.effective_complexity_loss(Row(), x, first, 0, fills, steps=8) == 8
    assert complexity.effective_complexity_loss(Row(), x, last, 0, fills, steps=8) == 64
    losses = complexity.effective_complexity_losses(Row(), x, first, 0, fills, steps=8)
    assert losses[0] > 0.05**2
    assert losses[1:] == [0.0] * 7


def test_effective_complexity_of_a_network_that_reads_nothing() -> None:
    class Blind(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(images), 4)

    x, m, fills = torch.zeros(3, 8, 8), lopsided(8, 8), np.zeros((10, 3))
    assert complexity.effective_complexity_loss(Blind(), x, m, 0, fills, steps=8) == 8
    assert complexity.effective_complexity_loss(Blind(), x, m, 0, fills, steps=8, first=0) == 0


def test_effective_complexity_is_the_smallest_step_that_qualifies() -> None:
    """Tied pixels are kept by index descending; that the loss rises again does not count."""

    class Corner(nn.Module):
        """Sees its class with the last pixel kept, unless pixel 8 is kept without pixel 0."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            flat = images[:, 0].flatten(1)
            score = 9 * flat[:, 15] * (1 - flat[:, 8] * (1 - flat[:, 0]))
            return torch.stack([score, torch.zeros_like(score)], dim=1)

    x, m, fills = torch.ones(3, 4, 4), np.ones((4, 4)), np.zeros((1, 3))
    losses = complexity.effective_complexity_losses(Corner(), x, m, 0, fills, 4)
    assert losses[1] == 0.0
    assert min(losses[2:]) > 0.05**2
    assert complexity.effective_complexity_loss(Corner(), x, m, 0, fills, 4) == 4
    upwards = {"ties": "row_major"}
    assert complexity.effective_complexity_loss(Corner(), x, m, 0, fills, 4, **upwards) == 16


def test_a_last_step_that_is_smaller() -> None:
    """64 pixels in steps of 24: 24, 48, then all; in three equal ones 22, 44, then all."""

    class Last(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            total = images[:, :, 5, 6].sum(dim=1)  # the 47th pixel
            return torch.stack([total, torch.zeros_like(total)], dim=1)

    x, m, fills = torch.ones(3, 8, 8), -np.arange(64.0).reshape(8, 8), np.zeros((1, 3))
    same = (Last(), x, m, 0, fills, 3)
    assert complexity.effective_complexity_loss(*same, size=24) == 48
    assert complexity.effective_complexity_loss(*same) == 64
