"""Resized inputs, against torchvision and interpolation by hand."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import interpolate
from torchvision.transforms import v2

from xaibench.transforms.resize import resize


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("side", [32, 64, 128, 448])
def test_is_torchvisions(group, drawer, side, antialias) -> None:
    found = resize(group, drawer(0), str(side), antialias=antialias)
    assert found.shape == (5, 3, side, side)
    assert torch.equal(found, v2.Resize((side, side), antialias=antialias)(group))


def test_without_antialias_four_pixels_make_one(group, drawer) -> None:
    """At cell centres: x = (i + 1/2) W / S - 1/2, its weight by distance, in a slow loop."""
    found = resize(group[:1], drawer(0), "32", antialias=False)[0, 0]
    for row, column in ((0, 0), (7, 13), (31, 31), (16, 2)):
        y, x = (row + 0.5) * 40 / 32 - 0.5, (column + 0.5) * 36 / 32 - 0.5
        value = 0.0
        for i in (int(y), min(int(y) + 1, 39)):
            for j in (int(x), min(int(x) + 1, 35)):
                weight = (1 - abs(y - i)) * (1 - abs(x - j))
                value += weight * group[0, 0, i, j].item()
        assert found[row, column].item() == pytest.approx(value, abs=1e-5)


def test_enlarging_needs_no_antialias(group, drawer) -> None:
    found = resize(group, drawer(0), "128")
    assert torch.allclose(found, interpolate(group, (128, 128), mode="bilinear"), atol=1e-5)


def test_draws_nothing_and_says_that_it_resizes(group) -> None:
    resize(group, lambda _: pytest.fail("nothing is random"), "64")
    assert resize.metadata["resizes"]
    assert "groups" not in resize.metadata
