"""The draws of metrics: an image's own, whatever is asked for beside it."""

from __future__ import annotations

import pytest
import torch
from networks import tiny_context

from xaibench.probes.draws import fills, noise
from xaibench.seeds import generator

IDS = ("a.png", "b.png", "c.png")


def test_fills_are_one_stream_an_image() -> None:
    """In a slow loop: steps, then draws, then values, from (seed, image, purpose)."""
    found = fills(tiny_context(), IDS, steps=3, draws=4, values=5)
    assert found.shape == (3, 3, 4, 5)
    for i, image in enumerate(IDS):
        stream = generator(0, image, "monotonicity")
        for step in range(3):
            for draw in range(4):
                assert torch.equal(found[i, step, draw], torch.rand(5, generator=stream))


def test_fills_know_no_neighbours_but_purposes() -> None:
    ctx = tiny_context()
    together = fills(ctx, IDS, 2, 2, 3)
    assert torch.equal(fills(ctx, IDS[2:], 2, 2, 3), together[2:])
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(fills(ctx, IDS, 2, 2, 3, "effective_complexity"), together)


@pytest.mark.parametrize("radius", [0.02, 0.5])
def test_noise_is_uniform_within_the_radius(radius: float) -> None:
    (found,) = noise(tiny_context(), ["a.png"], 50, (8, 6), radius)
    assert found.shape == (50, 3, 8, 6)
    unit = torch.rand(50, 3, 8, 6, generator=generator(0, "a.png", "sensitivity"))
    assert torch.allclose(found, radius * (2 * unit - 1))
    assert -radius <= found.min() < -0.99 * radius
    assert 0.99 * radius < found.max() < radius
    assert abs(found.mean()) < 0.05 * radius


def test_noise_is_another_for_another_image_and_leaves_torchs_generator() -> None:
    ctx, state = tiny_context(), torch.get_rng_state()
    one, other = noise(ctx, IDS[:2], 2, (4, 4), 0.1)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)
