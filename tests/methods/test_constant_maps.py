"""Where there is nothing to explain, every method says so: NaN, indifference, one cell."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from few_steps import METHODS, spec_of
from helpers import explain, on, prepared, request
from networks import pictures, tiny_context
from torch import nn

from xaibench.normalize import normalize, statuses
from xaibench.registry import get


def test_a_network_of_nan_is_nonfinite(name, protocol):
    ctx = tiny_context()
    batch = pictures(ctx.classifier, 2, targets=("ground_truth",))
    with torch.no_grad():
        ctx.classifier.module.head.weight.fill_(torch.nan)
    method = request(spec_of(name), protocol)
    state = prepared(ctx, batch, method)
    found = method.entry(ctx, batch, state, **method.options).maps[:, 0]
    looks = get("methods", name).metadata["cost"](channels=7, **method.options).total(1)[0] > 0
    expected = {"nonfinite"} if looks else {"ok"}
    assert set(statuses(normalize(found, batch.size, method.normalization))) == expected


def test_an_indifferent_network_or_layer_is_constant(name, protocol):
    """The logits never change, and layers that can be named are single cells."""
    ctx = tiny_context()
    batch = pictures(ctx.classifier, 2, targets=("ground_truth",))
    with torch.no_grad():
        ctx.classifier.module.head.weight.zero_()
        ctx.classifier.module.head.bias.zero_()
    weights = {"weights": "logit"} if name == "rise" else {}  # p is 1/10 under every mask
    method = request(spec_of(name, layer="pool", **weights), protocol)
    state = prepared(ctx, batch, method)
    found = method.entry(ctx, batch, state, **method.options).maps[:, 0]
    normalised = normalize(found, batch.size, method.normalization)
    if method.entry.metadata["family"] == "control":
        return
    assert set(statuses(normalised)) == {"constant_map"}
    assert not normalised.any()


@pytest.mark.parametrize("name", [m for m in METHODS if "layer" in get("methods", m).options])
def test_a_layer_of_one_cell_is_constant(name, protocol):
    """As the embedded network's and ResNet-50's at 32 px, whatever the values are."""
    ctx = tiny_context()
    batch = pictures(ctx.classifier)
    method = request(spec_of(name, layer="pool"), protocol)
    state = prepared(ctx, batch, method)
    found = method.entry(ctx, batch, state, **method.options).maps
    assert found.shape == (3, 3, 1, 1)
    for t in range(3):
        normalised = normalize(found[:, t], batch.size, method.normalization)
        assert set(statuses(normalised)) == {"constant_map"}


@pytest.mark.parametrize("name", ["gradcam", "gradcampp", "opticam"])
def test_the_embedded_network_at_32_px_is_constant(context, photographs, name, protocol):
    batch = on(photographs.rows(0, 4), context.device)
    small = dataclasses.replace(batch, images=nn.functional.interpolate(batch.images, (32, 32)))
    found = explain(context, small, spec_of(name), protocol).maps[:, 0]
    normalised = normalize(found, (32, 32), request(name, protocol).normalization)
    assert set(statuses(normalised)) == {"constant_map"}
