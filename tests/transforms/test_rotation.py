"""Rotations, against torchvision and a grid by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from xaibench.transforms.rotation import rotation


@pytest.mark.parametrize("fill", [False, True])
@pytest.mark.parametrize("degrees", [45, 135, 225, 315])
def test_is_torchvisions(group, drawer, degrees, fill) -> None:
    found = rotation(group, drawer(0), str(degrees), fill=fill)
    expected = F.rotate(group, degrees, InterpolationMode.BILINEAR, fill=[0.0] if fill else None)
    assert torch.equal(found, expected)
    assert found.shape == group.shape


@pytest.mark.parametrize("degrees", [45, 315])
def test_pixels_come_from_the_place_turned_back(group, drawer, degrees) -> None:
    """Counter-clockwise in the picture, whose rows grow downwards; 0 from outside."""
    found = rotation(group, drawer(0), str(degrees))[0, 1]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    for row, column in ((20, 18), (12, 25), (30, 10), (0, 0), (39, 35)):
        dy, dx = row - 19.5, column - 17.5
        y, x = 19.5 + sine * dx + cosine * dy, 17.5 + cosine * dx - sine * dy
        value = 0.0
        for i in (math.floor(y), math.floor(y) + 1):
            for j in (math.floor(x), math.floor(x) + 1):
                if 0 <= i < 40 and 0 <= j < 36:
                    weight = (1 - abs(y - i)) * (1 - abs(x - j))
                    value += weight * group[0, 1, i, j].item()
        assert found[row, column].item() == pytest.approx(value, abs=1e-4)


def test_draws_nothing_keeps_the_size_and_needs_no_group(group) -> None:
    rotation(group, lambda _: pytest.fail("nothing is random"), "45")
    assert not rotation.metadata.get("resizes")
    assert "groups" not in rotation.metadata
