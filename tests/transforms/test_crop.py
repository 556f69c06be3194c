"""Crops, against torchvision's own box and resize."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from xaibench.transforms.crop import crop


def by_hand(images: torch.Tensor, seed: int) -> torch.Tensor:
    """The box that torchvision draws from a seed, cut out and resized with its functions."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        box = v2.RandomResizedCrop((40, 36)).make_params([images])
    place = (box["top"], box["left"], box["height"], box["width"])
    cut = images[..., place[0] : place[0] + place[2], place[1] : place[1] + place[3]]
    return F.resize(cut, [40, 36], antialias=True)


def test_one_box_for_a_group(group, drawer) -> None:
    draw = drawer(0)
    found = crop(group, draw, "44", box="group")
    assert found.shape == group.shape
    assert torch.allclose(found, by_hand(group, draw(None).initial_seed()), atol=1e-6)


def test_a_box_for_each_image(group, drawer) -> None:
    draw = drawer(0)
    found = crop(group, draw, "44", box="image")
    for i in range(5):
        expected = by_hand(group[i : i + 1], draw(i).initial_seed())
        assert torch.allclose(found[i : i + 1], expected, atol=1e-6)


@pytest.mark.parametrize("box", ["group", "image"])
def test_seeds_decide_and_torchs_generator_is_put_back(group, drawer, box) -> None:
    state = torch.get_rng_state()
    one, again, other = (crop(group, drawer(seed), "44", box=box) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_only_a_box_of_the_group_needs_the_group() -> None:
    groups = crop.metadata["groups"]
    assert groups(box="group")
    assert not groups(box="image")
    assert not crop.metadata.get("resizes")
