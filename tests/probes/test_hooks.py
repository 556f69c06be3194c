"""A layer's output and its gradients, against the network cut by hand at that layer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers import in_double
from networks import TARGETS, as_classifier, pictures, tiny_context, with_random_state
from torch import Tensor, nn

from xaibench.errors import XaibenchError
from xaibench.probes.hooks import (
    activations,
    activations_and_gradients,
    logits_behind,
    replaced_output,
)
from xaibench.types import Batch, Context


@pytest.fixture
def ctx() -> Context:
    return in_double(tiny_context())


@pytest.fixture
def batch(ctx: Context) -> Batch:
    found = pictures(tiny_context().classifier, 3)
    return replace(found, images=found.images.double())


def before(module: nn.Module, images: Tensor) -> Tensor:
    """What layer 'iba' of `Tiny` gives; the in-place ReLU is inside of it."""
    return module.iba(module.stem(images))


def behind(module: nn.Module, features: Tensor) -> Tensor:
    return module.head(module.pool(module.cam(module.late(features))).flatten(1))


def hooks(module: nn.Module) -> int:
    return sum(len(m._forward_hooks) for m in module.modules())


@pytest.mark.parametrize("rows", [1, 2, 16])
def test_activations_are_the_layers(ctx: Context, batch: Batch, rows: int) -> None:
    """However many inputs a pass has, more or fewer than there are images."""
    classifier = replace(ctx.classifier, rows=rows)
    found = activations(classifier, "iba", batch.images)
    assert torch.allclose(found, before(ctx.classifier.module, batch.images), atol=1e-12)
    assert not found.requires_grad
    assert hooks(ctx.classifier.module) == 0


@pytest.mark.parametrize("rows", [1, 2, 16])
def test_gradients_are_autograds_one_image_and_class_at_a_time(
    ctx: Context, batch: Batch, rows: int
) -> None:
    classifier, module = replace(ctx.classifier, rows=rows), ctx.classifier.module
    values, gradients = activations_and_gradients(classifier, "iba", batch.images, batch.targets)
    assert gradients.shape == (3, len(TARGETS), *values.shape[1:])
    assert torch.equal(values, activations(classifier, "iba", batch.images))
    for i in range(3):
        for t, label in enumerate(batch.targets[i].tolist()):
            features = before(module, batch.images[i : i + 1]).requires_grad_()
            (slow,) = torch.autograd.grad(behind(module, features)[0, label], features)
            assert torch.allclose(gradients[i, t], slow[0], rtol=1e-9, atol=1e-12)


class InPlace(nn.Module):
    """The module after the layer works in place on what the layer gave."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.relu(self.layer(images)).mean((2, 3)))


def test_what_comes_after_in_place_changes_nothing() -> None:
    module = with_random_state(InPlace()).double()
    classifier = as_classifier(module, cam="layer")
    images = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(1)).double()
    targets = torch.tensor([[0], [4]])
    values, gradients = activations_and_gradients(classifier, "cam", images, targets)
    expected = module.layer(images)
    assert expected.min() < 0
    assert torch.allclose(values, expected)
    assert torch.allclose(activations(classifier, "cam", images), expected)
    # d logit / dA: the head's weight / cells where A > 0
    slow = module.head.weight[targets[:, 0], :, None, None] / 49 * (expected > 0)
    assert torch.allclose(gradients[:, 0], slow)


@pytest.mark.parametrize("chunk", [1, 5])
def test_logits_behind_a_layer(ctx: Context, batch: Batch, chunk: int) -> None:
    module, classifier = ctx.classifier.module, replace(ctx.classifier, rows=chunk)
    features = before(module, batch.images)
    changed = torch.cat([features, features.flip(0) * 0.5]).requires_grad_()
    with torch.enable_grad():
        found = logits_behind(classifier, "iba", batch.images[:1], changed)
        expected = behind(module, changed)
        assert torch.allclose(found, expected, atol=1e-12)
        pulled = [torch.autograd.grad(x[:, 2].sum(), changed)[0] for x in (found, expected)]
    assert torch.allclose(*pulled, atol=1e-12)


def test_an_output_is_replaced_while_open_only(ctx: Context, batch: Batch) -> None:
    module = ctx.classifier.module
    plain = module(batch.images)
    with replaced_output(module.iba, lambda output: 2 * output):
        found = module(batch.images)
    assert torch.allclose(found, behind(module, 2 * before(module, batch.images)))
    assert torch.equal(module(batch.images), plain)


class Twice(InPlace):
    def forward(self, images: Tensor) -> Tensor:
        return self.head((self.layer(images) + self.layer(images)).mean((2, 3)))


class Aside(InPlace):
    """The layer is called, and nothing made of it."""

    def forward(self, images: Tensor) -> Tensor:
        self.layer(images)
        return self.head(images.mean((2, 3)).repeat(1, 2)[:, :4])


class LastChannels(InPlace):
    """Maps (B, h, w, C), as in Swin transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.conv = nn.Identity(), self.layer

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layer(self.conv(images).permute(0, 2, 3, 1)).mean((1, 2)))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Twice, "used more than once in a forward pass"),
        (Aside, "do not depend on layer 'cam'"),
        (LastChannels, r"gives \(\d+, 7, 7, 4\), no maps"),
    ],
)
def test_layers_that_cannot_be_explained(network: type[nn.Module], message: str) -> None:
    classifier = as_classifier(with_random_state(network()), cam="layer")
    with pytest.raises(XaibenchError, match=f"{message}.*--cam-layer"):
        activations_and_gradients(
            classifier, "cam", torch.randn(1, 3, 9, 9), torch.zeros(1, 1, dtype=torch.long)
        )
    assert hooks(classifier.module) == 0


def test_hooks_are_removed_after_an_error(ctx: Context, batch: Batch) -> None:
    ctx.classifier.module.fuse.lit = True
    try:
        for probe in (
            lambda: activations(ctx.classifier, "iba", batch.images),
            lambda: activations_and_gradients(ctx.classifier, "iba", batch.images, batch.targets),
        ):
            with pytest.raises(RuntimeError, match="the network broke"):
                probe()
    finally:
        ctx.classifier.module.fuse.lit = False
    assert hooks(ctx.classifier.module) == 0
