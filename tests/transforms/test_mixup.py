"""Mixup, against torchvision's with the same weight."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from xaibench.transforms.mixup import mixup


class Given(v2.MixUp):
    """torchvision's MixUp with a weight that is not drawn."""

    def __init__(self, weight: float) -> None:
        super().__init__(num_classes=7)
        self.weight = weight

    def make_params(self, flat_inputs: list[object]) -> dict[str, object]:
        return super().make_params(flat_inputs) | {"lam": self.weight}


@pytest.mark.parametrize("alpha", [1.0, 0.2])
@pytest.mark.parametrize("count", [2, 5])
def test_is_torchvisions_with_a_weight_of_the_group(group, drawer, alpha, count) -> None:
    draw = drawer(3)
    weight = float(np.random.default_rng(draw(None).initial_seed()).beta(alpha, alpha))
    expected, _ = Given(weight)(group[:count], torch.arange(count))
    found = mixup(group[:count], draw, "44", alpha=alpha)
    assert torch.allclose(found, expected, atol=1e-6)
    assert not torch.allclose(found, group[:count], atol=1e-2)


def test_weights_are_uniform_for_alpha_one(drawer) -> None:
    """Read off a group of 0 and 1: the second becomes the weight itself."""
    pair = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    weights = [mixup(pair, drawer(seed), "44")[1].item() for seed in range(400)]
    assert 0 <= min(weights) < 0.02
    assert 0.98 < max(weights) <= 1
    assert 0.45 < np.mean(weights) < 0.55
    assert np.std(weights) == pytest.approx(12**-0.5, abs=0.03)


def test_a_group_of_one_stays(group, drawer) -> None:
    assert torch.allclose(mixup(group[:1], drawer(3), "44"), group[:1], atol=1e-6)


def test_seeds_decide(group, drawer) -> None:
    one, again, other = (mixup(group, drawer(seed), "44") for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_needs_the_group_and_keeps_the_size() -> None:
    assert mixup.metadata["groups"](alpha=1.0)
    assert not mixup.metadata.get("resizes")
