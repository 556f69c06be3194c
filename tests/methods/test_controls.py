"""The controls `random`, `center` and `edges` against libraries, and what they may not look at."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import apart, explain, on
from networks import pictures, tiny_context
from scipy import stats
from skimage.color import rgb2gray
from skimage.filters import sobel

from xaibench.registry import entries
from xaibench.seeds import generator

CONTROLS = ("random", "center", "edges")


def test_random_is_uniform_and_of_seed_and_image_alone(context, three_targets, device):
    batch = on(three_targets, device)
    maps = explain(context, batch, "random").maps
    assert maps.shape == (20, 3, *batch.size)
    own = generator(context.seed, batch.ids[3], "random")
    assert torch.equal(maps[3, 0].cpu(), torch.rand(batch.size, generator=own))
    assert stats.kstest(maps[:, 0].flatten().cpu(), "uniform").pvalue > 1e-3
    noisy = replace(batch, images=batch.images + 0.2, targets=batch.targets.flip(1))
    assert torch.equal(explain(context, noisy, "random").maps, maps)
    flat = maps[:, 0].flatten(1).cpu().numpy()
    assert np.abs(np.corrcoef(flat) - np.eye(20)).max() < 0.03  # another noise for each image
    assert not torch.equal(explain(replace(context, seed=1), batch, "random").maps, maps)


@pytest.mark.parametrize("sigma", [0.25, 0.1])
@pytest.mark.parametrize("size", [(32, 32), (33, 48)])
def test_center_is_scipys_normal_density(size, sigma):
    ctx = tiny_context()
    batch = pictures(ctx.classifier, 2, size)
    height, width = (
        stats.norm(scale=sigma * side).pdf(np.arange(side) - (side - 1) / 2) for side in size
    )
    expected = np.outer(height, width)
    middle = stats.norm.pdf(0, scale=sigma * size[0]) * stats.norm.pdf(0, scale=sigma * size[1])
    found = explain(ctx, batch, f"center(sigma={sigma})").maps
    assert found.shape == (2, 3, *size)
    assert np.allclose(found.numpy(), expected / middle, atol=1e-6)


def test_edges_are_skimages_of_the_grey_photograph(context, photographs, device):
    batch = on(photographs, device)
    pixels = context.classifier.to_pixels(batch.images).cpu().double().numpy()
    maps = explain(context, batch, "edges").maps
    for image, found in zip(pixels, maps[:, 0], strict=True):
        assert apart(found, sobel(rgb2gray(image.transpose(1, 2, 0)))) < 1e-5


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_is_the_same_for_every_class_and_network(name):
    one, other = tiny_context(), tiny_context()
    with torch.no_grad():
        for weights in other.classifier.module.parameters():
            weights.add_(1)
    batch = pictures(one.classifier)
    maps = explain(one, batch, name).maps
    assert torch.equal(maps, maps[:, :1].expand_as(maps))
    assert torch.equal(explain(other, batch, name).maps, maps)


def test_controls_stand_among_the_controls_and_only_where_they_are_named():
    held = {k: entry.metadata for k, entry in entries("methods").items()}
    assert {k for k, about in held.items() if about.get("family") == "control"} == {
        "fakecam",
        *CONTROLS,
    }
    assert all(held[name]["opt_in"] for name in CONTROLS)
    assert [k for k, about in held.items() if about.get("chance")] == ["random"]
