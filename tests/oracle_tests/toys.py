"""A small network and a map that several oracles' tests need."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    """A strided network whose `cam` layer is 1/4 of the input's size; (B, 3, H, W) -> (B, 6)."""

    def __init__(self, stride: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 1, 1), nn.ReLU())
        self.cam = nn.Sequential(nn.Conv2d(6, 5, 3, stride, 1), nn.ReLU())
        self.head = nn.Linear(5, 6)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.cam(self.stem(images)).mean(dim=(2, 3)))


def lopsided(height: int = 16, width: int = 16) -> np.ndarray:
    """A map in [0, 1] that is unlike its transpose and has ties."""
    rows, columns = np.mgrid[:height, :width]
    return ((2 * rows + columns // 3) % 11 / 10).astype(np.float32)
