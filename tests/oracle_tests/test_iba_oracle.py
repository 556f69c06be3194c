"""The bottleneck's oracle on inputs of another size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import iba
from torch import nn
from toys import Net


def statistics(c: int, h: int, w: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    mean = torch.rand(c, h, w, generator=generator, dtype=torch.float64)
    std = torch.rand(c, h, w, generator=generator, dtype=torch.float64)
    std[0, 0] = 0.0  # to be clamped, before it is resized
    return mean, std, torch.rand(c, h, w, generator=generator) > 0.3


def draws(*shape: int) -> torch.Tensor:
    return torch.randn(
        3, 2, *shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64
    )


def test_iba_of_the_same_size_is_the_untransformed_one(net: Net, x: torch.Tensor) -> None:
    net.double()
    mean, std, active = statistics(5, 4, 4)
    arguments = (net, net.cam, x.double(), 2, mean, std, active, draws(5, 4, 4))
    one = iba.information_bottleneck(*arguments)
    assert np.allclose(iba.iba_transformed(*arguments), one, rtol=1e-12)


def test_iba_by_the_scripts_own_tries(net: Net) -> None:
    """Against the control flow of lib/IBA.py: compute, and resize where torch raises."""
    net.double()
    mean, std, active = statistics(5, 4, 4)
    for pixels, shape in ((8, (5, 2, 2)), (32, (5, 8, 8)), (4, (5, 1, 1))):
        image = torch.randn(1, 3, pixels, pixels, dtype=torch.float64)
        noise = draws(*shape)
        found = iba.iba_transformed(net, net.cam, image, 2, mean, std, active, noise)
        expected, seen = tries(net, image, mean, std, active, noise)
        size = (4, 4) if shape[1] == 1 else shape[1:]
        assert found.shape == (5, *size)
        assert seen == size  # what the rest of the network gets
        assert np.allclose(found, expected, rtol=1e-9)
        assert iba.information_map(found, pixels).shape == (pixels, pixels)


def tries(net, image, mean, std, active, noise):
    """One image through the bottleneck as the script runs it; capacity and the size passed on."""
    state = {"mean": mean, "std": std.clamp(min=0.01), "active": active.double(), "size": None}
    alpha = torch.full(mean.shape, 5.0, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([alpha], lr=1.0)

    def enlarge(values, size):
        return nn.functional.interpolate(values, size=size, mode="bilinear")

    def divergence(r, opening):
        variance = (1 - opening) ** 2
        mu = opening * ((r - state["mean"]) / state["std"])
        return -0.5 * (1 + variance.log() - mu**2 - variance)

    for eps in noise:

        def hook(module, inputs, r, eps=eps):
            opening = torch.stack([iba._smooth(torch.sigmoid(alpha), 1.0, 5)] * len(r))
            try:
                held = divergence(r, opening)
            except RuntimeError:
                for key in ("mean", "std"):
                    state[key] = enlarge(state[key][None], r.shape[-2:])[0]
                opening = enlarge(opening, r.shape[-2:])
                held = divergence(r, opening)
            try:
                held = held * state["active"]
            except RuntimeError:
                state["active"] = enlarge(state["active"][None], r.shape[-2:])[0]
                held = held * state["active"]
            state["capacity"] = held.mean(dim=0)
            z = opening * r + (1 - opening) * (state["std"] * eps + state["mean"])
            state["size"] = tuple(z.shape[-2:])
            return z * state["active"]

        handle = net.cam.register_forward_hook(hook)
        logits = net(image.expand(2, -1, -1, -1))
        handle.remove()
        loss = -torch.log_softmax(logits, dim=1)[:, 2].mean() + 10 * state["capacity"].mean()
        (alpha.grad,) = torch.autograd.grad(loss, alpha)
        optimiser.step()
    return state["capacity"].detach().numpy(), state["size"]


def test_feature_statistics_count_strictly_above_the_threshold() -> None:
    features = torch.zeros(100, 1, 1, 2)
    features[0, 0, 0, 0] = 1.0
    features[:2, 0, 0, 1] = 1.0
    mean, std, active = iba.feature_statistics(features.split(30))
    assert active[0, 0].tolist() == [False, True]
    assert mean[0, 0, 1] == pytest.approx(0.02)
    assert std[0, 0, 1] == pytest.approx(features[:, 0, 0, 1].std().item())
