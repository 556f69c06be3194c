import dataclasses
import itertools

import numpy as np
import pytest
import torch
from helpers import apart, doubled, explain, in_double, on, prepared, request
from networks import pictures, tiny_context
from oracles.iba import iba_transformed, information_bottleneck, information_map

from xaibench.normalize import normalize
from xaibench.ops.resize import minmax


def noise_of(context, image, shape):
    """The standard normal noise that iba draws for an image: step by step, all samples at once."""
    generator = context.generator(image, "iba")
    steps, *rest = shape
    return torch.stack([torch.randn(rest, generator=generator) for _ in range(steps)])


def slow_capacity(context, network, batch, i, t, spec, protocol):
    """The oracle's capacity (C, h, w) for an image, with the same statistics and noise."""
    method = request(spec, protocol)
    options, state = method.options, prepared(context, batch, method)
    name = context.classifier.layers[options["layer"]]
    shape = (options["steps"], options["samples"], *state["mean"].shape)
    return information_bottleneck(
        network,
        network.get_submodule(name),
        batch.images[i : i + 1].cpu(),
        int(batch.targets[i, t]),
        *(state[key].cpu() for key in ("mean", "std", "active")),
        noise_of(context, batch.ids[i], shape),
        beta=options["beta"],
        lr=options["lr"],
        alpha0=options["alpha"],
    )


# In float64: Adam divides small gradients by their own size, so that two exact float32
# implementations part by 0.5% of the largest capacity at the reference layer.
@pytest.mark.parametrize(
    ("protocol", "spec"),
    [
        ("published", "iba(samples=2, steps=3)"),
        ("reference", "iba(samples=2, steps=3)"),
        pytest.param("published", "iba", marks=pytest.mark.slow),
        pytest.param("reference", "iba", marks=pytest.mark.slow),
    ],
)
def test_equals_the_equations(
    context, three_targets, oracle_network_double, device, protocol, spec
):
    exact = in_double(context)
    batch = on(doubled(three_targets.rows(0, 2)), device)
    one = dataclasses.replace(batch, targets=batch.targets[:, :1])
    found = explain(exact, one, spec, protocol).maps[:, 0]
    steps = request(spec, protocol).normalization
    for i in range(2 if spec == "iba" else 1):
        slow = slow_capacity(exact, oracle_network_double, batch, i, 0, spec, protocol)
        bits = slow.sum(0) / np.log(2)
        assert apart(found[i], bits) < 1e-4
        ours = normalize(found[i : i + 1], batch.size, steps)[0]
        large = information_map(slow, batch.size[0])
        assert apart(ours, (large - large.min()) / np.ptp(large)) < 1e-4
        print(f"iba ({protocol}, {spec}): {apart(found[i], bits):.1e}")


def test_three_targets_on_a_small_network(device):
    exact = in_double(tiny_context(device))
    network = in_double(tiny_context("cpu")).classifier.module
    batch = doubled(pictures(exact.classifier))
    for protocol in ("published", "reference"):
        found = explain(exact, batch, "iba", protocol).maps
        for i in range(len(batch)):
            for t in range(3):
                slow = slow_capacity(exact, network, batch, i, t, "iba", protocol)
                assert apart(found[i, t], slow.sum(0) / np.log(2)) < 1e-4


def test_information_falls_as_beta_rises(context, photographs, device):
    batch = on(photographs.rows(0, 2), device)
    bits = [
        explain(context, batch, f"iba(beta={beta})").maps.sum((1, 2, 3))
        for beta in (0.1, 1.0, 10.0)
    ]
    assert all((less < more).all() for more, less in itertools.pairwise(bits))


def test_statistics_are_those_of_all_images_whatever_the_parts(context, photographs, device):
    """Also a neuron's activity: non-zero in over 1% of the images, so here in any."""
    batch = on(photographs, device)
    method = request("iba")
    state = prepared(context, batch, method)
    again = prepared(dataclasses.replace(context, batch_size=7), batch, method)
    with torch.no_grad():
        features = context.classifier.layer("cam")(batch.images).double()
    assert torch.allclose(state["mean"], features.mean(0), atol=1e-5)
    assert torch.allclose(state["std"], features.std(0), atol=1e-5)
    assert torch.equal(state["active"], (features != 0).any(0).double())
    assert all(torch.allclose(state[key], again[key], atol=1e-5) for key in state)


def test_statistics_fit_another_input_size(context, whole, device):
    """For transformed inputs the statistics are those of the untransformed images, resized."""
    batch = on(whole.rows(0, 4), device)
    method = request("iba")
    state = prepared(context, batch, method)
    small = dataclasses.replace(batch, images=batch.images[..., ::2, ::2])
    found = method.entry(context, small.rows(0, 2), state, **method.options).maps
    assert found.shape == (2, 1, 3, 3)  # of 112 px
    assert found.isfinite().all()


SCRIPT = "iba(samples=2, steps=3)"


@pytest.fixture(scope="module")
def untouched(context, whole, device):
    """Two whole photographs in float64, and their statistics."""
    exact, batch = in_double(context), on(doubled(whole.rows(0, 2)), device)
    return exact, batch, prepared(exact, batch, request(SCRIPT, "published"))


@pytest.mark.parametrize("side", [32, 64, 128, pytest.param(448, marks=pytest.mark.slow)])
def test_published_on_another_input_size_equals_the_papers_script(
    untouched, oracle_network_double, side
):
    """alpha stays 7 x 7; one cell (32 pixels) broadcasts against it, its noise too."""
    exact, batch, state = untouched
    method = request(SCRIPT, "published")
    small = torch.nn.functional.interpolate(batch.images, (side, side), mode="bilinear")
    other = dataclasses.replace(batch, images=small).rows(0, 1)
    found = method.entry(exact, other, state, **method.options).maps[0, 0]
    options, cells = method.options, side // 32
    shape = (options["steps"], options["samples"], 1280, cells, cells)
    slow = iba_transformed(
        oracle_network_double,
        oracle_network_double.features,
        other.images.cpu(),
        int(other.targets[0, 0]),
        *(state[key].cpu() for key in ("mean", "std", "active")),
        noise_of(exact, other.ids[0], shape),
        beta=options["beta"],
        lr=options["lr"],
        alpha0=options["alpha"],
    )
    expected = np.asarray(slow).sum(0) / np.log(2)
    assert found.shape == ((7, 7) if cells == 1 else (cells, cells))
    assert apart(found, expected) < 1e-6
    ours = normalize(found[None].float(), (side, side), method.normalization)
    large = torch.as_tensor(information_map(slow, side))[None]
    assert apart(ours, minmax(large)) < 1e-4
