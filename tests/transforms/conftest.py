"""Inputs of one group, and generators as a run hands them out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from xaibench.seeds import generator
from xaibench.types import Draw


@pytest.fixture
def group() -> torch.Tensor:
    """Five inputs (5, 3, 40, 36)."""
    return torch.randn(5, 3, 40, 36, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def drawer() -> Callable[[int], Draw]:
    """seed -> the generators of a group's images and of the group itself."""
    return lambda seed: lambda i: generator(seed, "group" if i is None else f"image {i}", "test")
