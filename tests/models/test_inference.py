"""Forward passes in bfloat16 and compiled: what they may change, and what they never touch."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from helpers import on, prepared, request
from networks import pictures, tiny, tiny_context
from torch import Tensor, nn

from xaibench.errors import XaibenchError
from xaibench.models import inference
from xaibench.models.inference import Cast, Compiled, Rounded


def bfloat16(classifier):
    return dataclasses.replace(classifier, dtype="bfloat16")


def test_bfloat16_is_near_and_comes_back_in_float32(device):
    plain = tiny(device)
    images = pictures(plain, 16).images
    with torch.inference_mode():
        exact, near = plain.inference(images), bfloat16(plain).inference(images)
    assert near.dtype == torch.float32
    span = exact.max() - exact.min()
    assert 1e-5 * span < (near - exact).abs().max() < 0.05 * span
    assert next(plain.inference.parameters()).dtype == torch.float32
    assert torch.equal(plain.inference(images), exact)


def test_rounding_is_what_torch_computes_in_bfloat16():
    """The processor's own bfloat16, or torch's slow loop: as near to the rounded as to itself."""
    plain = tiny()
    images = pictures(plain, 16).images
    with torch.inference_mode():
        exact = plain.inference(images)
        own = Cast(inference.folded(plain.module, images[:1]))(images)
        module = inference.folded(tiny().module, images[:1])
        rounded = Rounded(module)(images)
    assert rounded.to(torch.bfloat16).float().equal(rounded)
    assert (rounded - own).abs().mean() < 0.5 * (own - exact).abs().mean()


@pytest.mark.parametrize("name", ["gradcam", "gradient", "ig(steps=2)", "guidedbp"])
def test_gradients_and_their_maps_stay_float32_to_the_bit(name, device):
    """IG's baseline has a forward pass without gradients, for completeness alone."""
    ctx = tiny_context(device)
    other = dataclasses.replace(ctx, classifier=bfloat16(ctx.classifier))
    batch = on(pictures(ctx.classifier), device)
    method = request(name, "reference")
    maps = [
        method.entry(c, batch, prepared(c, batch, method), **method.options).maps
        for c in (ctx, other)
    ]
    assert torch.equal(*maps)


def test_bfloat16_rows_do_not_depend_on_their_neighbours(device):
    classifier = bfloat16(tiny(device))
    images = pictures(classifier, 16).images
    with torch.inference_mode():
        found = classifier.inference(images)
        turned = classifier.inference(images.roll(5, 0))
    assert torch.equal(found, turned.roll(-5, 0))


def test_a_broken_input_is_nan_in_bfloat16_too(device):
    classifier = bfloat16(tiny(device))
    images = pictures(classifier, 16).images
    images[3, 0, 5, 5] = torch.nan
    with torch.inference_mode():
        found = classifier.inference(images)
    assert found.isnan().any(1).nonzero()[:, 0].tolist() == [3]


class Doubling(nn.Module):
    """A network that says how it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) * 2


def test_other_shapes_and_gradients_go_through_the_network_itself(monkeypatch):
    shared = torch.zeros(4, 3)
    calls: list[torch.Size] = []

    def code(x: Tensor) -> Tensor:
        calls.append(x.shape)
        return shared.copy_(x.flatten(1) * 2)  # as a CUDA graph: one output for all passes

    monkeypatch.setattr(torch, "compile", lambda *_, **__: code)
    network = Compiled(Doubling(), (4, 3, 1, 1))
    with torch.inference_mode():
        one, two = network(torch.ones(4, 3, 1, 1)), network(torch.zeros(4, 3, 1, 1))
        network(torch.ones(2, 3, 1, 1))
    assert one.unique().tolist() == [2.0]
    assert two.unique().tolist() == [0.0]
    leaf = torch.ones(4, 3, 1, 1, requires_grad=True)
    network(leaf).sum().backward()
    assert leaf.grad.unique().tolist() == [2.0]
    assert calls == [(4, 3, 1, 1)] * 2


def test_what_cannot_be_compiled_is_said(monkeypatch):
    def broken(_: Tensor) -> Tensor:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: broken)
    with torch.inference_mode(), pytest.raises(XaibenchError, match="cannot be compiled"):
        Compiled(Doubling(), (4, 3, 1, 1))(torch.ones(4, 3, 1, 1))


@pytest.mark.slow
def test_compiled_code_gives_the_same_logits_and_bits_whatever_the_neighbours(
    classifier, photographs, device
):
    plain, images = classifier, photographs.images[:16].to(device, copy=True)
    quick = dataclasses.replace(plain, compiled=True)
    with torch.inference_mode():
        exact, found = plain.inference(images), quick.inference(images)
        turned = quick.inference(images.roll(5, 0))
    assert isinstance(quick.inference, Compiled)
    assert torch.allclose(found, exact, atol=1e-4)
    assert torch.equal(found, turned.roll(-5, 0))
    images[3, 0, 5, 5] = torch.nan
    with torch.inference_mode():
        assert quick.inference(images).isnan().any(1).nonzero()[:, 0].tolist() == [3]
