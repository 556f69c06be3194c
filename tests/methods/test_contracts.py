"""What every registered method must keep to, present and future, plug-ins included."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
import torch
from few_steps import METHODS, spec_of
from helpers import apart, doubled, explain, in_double, on, prepared, request, with_targets
from networks import TARGETS, Tiny, as_classifier, pictures, tiny_context, with_random_state
from torch import nn

from xaibench.config.protocol import load_protocol
from xaibench.normalize import normalize, statuses
from xaibench.registry import get
from xaibench.types import Batch, Context, Cost, Explanation

GROUPED = [m for m in METHODS if "batchnorm" in get("methods", m).options]


@pytest.fixture
def exact(device: torch.device) -> Context:
    """In float64, so that another cut of the batch shows in the last bits only."""
    return in_double(tiny_context(device))


@pytest.fixture
def batch(exact: Context) -> Batch:
    return on(doubled(pictures(exact.classifier)), exact.device)


def everything(module: nn.Module) -> dict[str, object]:
    """What a method must leave as it was, apart from tensor values."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "hooks": [len(getattr(m, kind)) for m in module.modules() for kind in hooks],
        "modules": [id(m) for m in module.modules()],
        "training": [m.training for m in module.modules()],
        "parameters": [
            (n, id(p), p.requires_grad, p.grad is None) for n, p in module.named_parameters()
        ],
        "grad": torch.is_grad_enabled(),
        "modes": torch._C._len_torch_function_stack(),
    }


def draws() -> dict[str, object]:
    """The global generators, which no method may touch."""
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": [str(part) for part in np.random.get_state()],  # noqa: NPY002
        "python": random.getstate(),
    }


def test_shape_finite_deterministic_and_nothing_touched(name, protocol):
    ctx = tiny_context()
    batch = pictures(ctx.classifier)
    method = request(spec_of(name), protocol)
    state = prepared(ctx, batch, method)
    module = ctx.classifier.module.requires_grad_(True)
    _ = ctx.classifier.inference
    before, values = everything(module), {k: v.clone() for k, v in module.state_dict().items()}
    images, targets = batch.images.clone(), batch.targets.clone()
    held = {k: v.clone() for k, v in (state or {}).items()}
    one = method.entry(ctx, batch, state, **method.options)
    drawn = draws()  # the first call imports libraries, some of which draw
    two = method.entry(ctx, batch, state, **method.options)
    assert draws() == drawn
    assert isinstance(one, Explanation)
    assert one.maps.dim() == 4
    assert one.maps.shape[:2] == (3, 3)
    assert one.maps.isfinite().all()
    assert not one.maps.requires_grad
    assert torch.equal(one.maps, two.maps)  # to the bit
    for key, value in one.scalars.items():
        assert value.shape == (3, 3), key
    assert one.explained is None or one.explained.shape == (3, 3)
    assert everything(module) == before
    assert all(torch.equal(v, values[k]) for k, v in module.state_dict().items())
    assert torch.equal(batch.images, images)
    assert torch.equal(batch.targets, targets)
    assert not batch.images.requires_grad
    assert all(torch.equal(state[k], v) for k, v in held.items())


def test_a_network_that_raises_leaves_nothing_behind(name, protocol):
    ctx = tiny_context()
    batch = pictures(ctx.classifier)
    method = request(spec_of(name), protocol)
    state = prepared(ctx, batch, method)
    module = ctx.classifier.module
    module.late.train()  # a mode that a careless restore would lose
    module.head.requires_grad_(True)
    _ = ctx.classifier.inference
    before, fuse = everything(module), module.fuse
    values = {k: v.clone() for k, v in module.state_dict().items()}
    inside = everything(ctx.classifier.inference)
    fuse.lit = True
    try:
        if ctx_cost(name, protocol).total(1)[0]:
            with pytest.raises(RuntimeError, match="the network broke"):
                method.entry(ctx, batch, state, **method.options)
    finally:
        fuse.lit = False
    assert everything(module) == before
    assert everything(ctx.classifier.inference) == inside
    assert all(torch.equal(v, values[k]) for k, v in module.state_dict().items())


@pytest.mark.parametrize("batch_size", [1, 7, 32])
def test_batch_size_changes_only_last_bits(name, protocol, exact, batch, batch_size):
    spec = spec_of(name)
    expected = explain(exact, batch, spec, protocol).maps
    other = dataclasses.replace(exact, batch_size=batch_size)
    assert apart(explain(other, batch, spec, protocol).maps, expected) < 1e-4


def test_cut_order_and_targets_do_not_matter(name, protocol, exact, batch):
    """One image at a time, in reverse, one target at a time: always the same maps."""
    spec = spec_of(name)
    state = prepared(exact, batch, request(spec, protocol))
    method = request(spec, protocol)

    def run(part):
        return method.entry(exact, part, state, **method.options)

    expected = run(batch)
    single = torch.cat([run(batch.rows(i, i + 1)).maps for i in range(3)])
    assert apart(single, expected.maps) < 1e-4
    turned = dataclasses.replace(
        batch,
        ids=batch.ids[::-1],
        images=batch.images.flip(0),
        labels=batch.labels.flip(0),
        targets=batch.targets.flip(0),
        positions=batch.positions[::-1],
    )
    assert apart(run(turned).maps.flip(0), expected.maps) < 1e-4
    for t, target in enumerate(TARGETS):
        alone = run(with_targets(batch, batch.targets[:, t : t + 1], (target,)))
        assert apart(alone.maps[:, 0], expected.maps[:, t]) < 1e-4
        if expected.explained is not None:
            assert torch.equal(alone.explained[:, 0], expected.explained[:, t])


@pytest.mark.parametrize("size", [(32, 32), (128, 128), (448, 448), (96, 160)])
def test_other_input_sizes(name, protocol, size):
    """IBA's statistics are those of 64 px; at 32 px its layer is smaller than the smoothing."""
    ctx = tiny_context()
    usual = pictures(ctx.classifier)
    method = request(spec_of(name), protocol)
    state = prepared(ctx, usual, method)
    count = 1 if size == (448, 448) else 2
    batch = pictures(ctx.classifier, count, size, ("predicted",))
    found = method.entry(ctx, batch, state, **method.options)
    assert found.maps.shape[:2] == (count, 1)
    assert found.maps.isfinite().all()
    normalised = normalize(found.maps[:, 0], size, method.normalization)
    assert normalised.shape == (count, *size)
    assert set(statuses(normalised)) <= {"ok", "constant_map"}


def ctx_cost(name: str, protocol: str, channels: int = 7) -> Cost:
    method = request(spec_of(name), protocol)
    found: Cost = method.entry.metadata["cost"](**{"channels": channels, **method.options})
    return found


def passes(ctx: Context, batch: Batch, spec: str, protocol: str) -> int:
    """Logit rows that the network gave, unfilled: inputs, and IBA's samples after its layer."""
    plain = dataclasses.replace(ctx.classifier, rows=1)
    ctx = dataclasses.replace(ctx, classifier=plain, batch_size=1)
    method = request(spec, protocol)
    state = prepared(ctx, batch, method)
    rows = []

    def count(_module, _inputs, output):
        rows.append(len(output))

    _ = ctx.classifier.inference
    networks = {id(m): m for m in (ctx.classifier.module, ctx.classifier.inference)}
    handles = [m.head.register_forward_hook(count) for m in networks.values()]
    try:
        method.entry(ctx, batch, state, **method.options)
    finally:
        for handle in handles:
            handle.remove()
    return sum(rows)


def test_costs_what_it_declares(name, protocol):
    """Forwards of two more images; what a call costs besides (IG's baseline) is not an image's.

    Train-mode BatchNorm runs in a copy of the network, which takes the hooks along.
    """
    ctx = tiny_context()
    batch = pictures(ctx.classifier, 4)
    spec, cost = spec_of(name), ctx_cost(name, protocol)
    for targets in (1, 3):
        some = with_targets(batch, batch.targets[:, :targets], TARGETS[:targets])
        more = passes(ctx, some, spec, protocol) - passes(ctx, some.rows(0, 2), spec, protocol)
        assert more == 2 * cost.total(targets)[0]


@pytest.mark.parametrize("name", ["scorecam", "rise", "lime"])
def test_three_targets_for_the_price_of_one(name, protocol):
    ctx = tiny_context()
    batch = pictures(ctx.classifier)
    one = with_targets(batch, batch.targets[:, :1], TARGETS[:1])
    expected = passes(ctx, one, spec_of(name), protocol)
    assert expected >= 3 * 7
    assert passes(ctx, batch, spec_of(name), protocol) == expected


@pytest.mark.parametrize("name", GROUPED)
@pytest.mark.parametrize("group", [1, 5])
def test_batch_statistics_leave_the_network_and_ignore_the_batch_size(name, group):
    module = with_random_state(Tiny())
    ctx = Context(as_classifier(module, cam="cam"), torch.device("cpu"), 0, 16, 0, group)
    exact = in_double(ctx)
    batch = doubled(pictures(exact.classifier, 10))
    module = exact.classifier.module
    before = {k: v.clone() for k, v in module.state_dict().items()}
    flags = everything(module)
    spec = spec_of(name)
    expected = explain(exact, batch, spec)
    for size in (1, 7, 32):
        other = dataclasses.replace(exact, batch_size=size)
        found = explain(other, batch, spec, step=group)
        assert apart(found.maps, expected.maps) < 1e-5
        assert torch.equal(found.explained, expected.explained)
    assert everything(module) == flags
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())


def test_protocols_name_every_value(name, protocol):
    """No value of a protocol is left to the code's defaults, Opti-CAM's and plug-ins' excepted."""
    entry = get("methods", name)
    named = load_protocol(protocol).methods
    if name in named:
        assert set(named[name]) == set(entry.options)
