"""Input gradients against finite differences, and the classes and channels they are taken for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from networks import pictures, tiny_context, with_random_state
from torch import nn

from xaibench.probes.gradients import (
    explained_classes,
    gradient_maps,
    input_gradients,
    network,
    reduce_channels,
)


def smooth() -> nn.Module:
    """Smooth, so that finite differences have no kinks to fall over."""
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2), nn.Softplus(), nn.Conv2d(4, 5, 3), nn.Softplus(), nn.Flatten(1)
    )
    return with_random_state(nn.Sequential(layers, nn.Linear(45, 6))).double()


def test_equal_finite_differences() -> None:
    """Central differences of each class's logit, at pixels of every channel."""
    module = smooth()
    images = torch.randn(2, 3, 11, 11, generator=torch.Generator().manual_seed(1)).double()
    classes = torch.tensor([[0, 3, 3], [5, 1, 2]])
    leaf = images.clone().requires_grad_()
    found = input_gradients(module(leaf), leaf, classes)
    assert found.shape == (2, 3, 3, 11, 11)
    step = 1e-5
    for image in range(2):
        for channel, row, column in ((0, 0, 0), (1, 5, 7), (2, 10, 10), (0, 4, 4)):
            shifted = images.clone()
            shifted[image, channel, row, column] += step
            above = module(shifted)[image]
            shifted[image, channel, row, column] -= 2 * step
            slope = (above - module(shifted)[image]) / (2 * step)
            for target, label in enumerate(classes[image].tolist()):
                ours = found[image, target, channel, row, column]
                assert ours == pytest.approx(slope[label].item(), rel=1e-5, abs=1e-9)


def test_classes_by_the_names_of_the_targets() -> None:
    batch = pictures(tiny_context().classifier)
    logits = torch.randn(3, 10, generator=torch.Generator().manual_seed(2))
    assert explained_classes(batch, logits, "given") is batch.targets
    found = explained_classes(batch, logits, "own_forward")
    for i, row in enumerate(logits.tolist()):
        given = batch.targets[i, 0].item()
        assert found[i].tolist() == [given, row.index(max(row)), row.index(min(row))]


def test_channels_in_a_slow_loop() -> None:
    signed = torch.randn(2, 2, 3, 4, 5, generator=torch.Generator().manual_seed(3))
    largest, spread = (reduce_channels(signed, how) for how in ("abs_max", "minmax_max"))
    assert largest.shape == spread.shape == (2, 2, 4, 5)
    for i in range(2):
        for t in range(2):
            values = signed[i, t]
            low, high = values.min().item(), values.max().item()
            for y in range(4):
                for x in range(5):
                    three = values[:, y, x].tolist()
                    assert largest[i, t, y, x].item() == max(map(abs, three))
                    unit = max((v - low) / (high - low) for v in three)
                    assert spread[i, t, y, x].item() == pytest.approx(unit, abs=1e-6)


def test_batchnorm_is_the_groups_only_where_asked() -> None:
    ctx = replace(tiny_context(), group_size=2)
    images = pictures(ctx.classifier, 4).images
    assert network(ctx, "eval") is ctx.classifier
    logits = network(ctx, "train")(images)
    module = with_random_state(type(ctx.classifier.module)()).train()
    groups = torch.cat([module(images[i : i + 2]) for i in (0, 2)])
    assert torch.allclose(logits, groups, atol=1e-4)


def test_maps_are_the_reduced_gradients_of_the_classes_they_name() -> None:
    ctx = tiny_context()
    batch = pictures(ctx.classifier, 2)
    found = gradient_maps(ctx, batch, "eval", "own_forward", "abs_max")
    assert found.explained is not None
    for i in range(2):
        for t, label in enumerate(found.explained[i].tolist()):
            leaf = batch.images[i : i + 1].clone().requires_grad_()
            (slow,) = torch.autograd.grad(ctx.classifier.module(leaf)[0, label], leaf)
            assert torch.allclose(found.maps[i, t], slow[0].abs().amax(0), atol=1e-5)
    assert not found.maps.requires_grad
