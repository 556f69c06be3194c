"""A drawn network and an input for the oracles."""

from __future__ import annotations

import pytest
import torch
from toys import Net


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    network = Net().eval()
    for parameter in network.parameters():
        parameter.data.mul_(3.0)
        parameter.requires_grad_(False)
    return network


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
