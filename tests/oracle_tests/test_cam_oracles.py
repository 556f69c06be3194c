"""Oracles of CAMs and of integrated gradients: against libraries, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import cam, gradients
from torch import nn
from toys import Net


def test_gradcampp_without_epsilon(net: Net, x: torch.Tensor) -> None:
    """Where g > 0 equation 19 is 1 / (2 + S g), and so is the weight's term g / (2 + S g)."""
    activations, gradients_ = cam._activations_and_gradients(net, net.cam, x, 1)
    total = activations.sum(dim=(1, 2), keepdim=True).double()
    g = gradients_.double().clamp(min=0)
    weights = (g / (2 + total * g)).sum(dim=(1, 2), keepdim=True)
    expected = (weights * activations.double()).sum(dim=0)
    found = cam.gradcampp_paper(net, net.cam, x, 1)
    assert np.allclose(found, expected, rtol=1e-5)
    assert not np.allclose(found, cam.gradcampp_formula(net, net.cam, x, 1), rtol=1e-3)
    mean = cam.gradcampp_paper(net, net.cam, x, 1, normalized_alphas=True)
    assert not np.allclose(mean / mean.max(), found / found.max(), rtol=1e-3)


def test_gradcampp_of_a_layer_without_gradient(net: Net, x: torch.Tensor) -> None:
    net.head.weight.zero_()
    assert (cam.gradcampp_paper(net, net.cam, x, 1) == 0).all()


def test_scorecam_with_align_corners_is_the_librarys(net: Net, x: torch.Tensor) -> None:
    native = cam.scorecam_formula(net, net.cam, x, 1, align_corners=True)
    low, high = native.min(), native.max()
    library = cam.scorecam_library(net, net.cam, x, 1)
    enlarged = nn.functional.interpolate(
        torch.from_numpy((native - low) / (high - low))[None, None], size=(16, 16), mode="bilinear"
    )[0, 0].numpy()
    enlarged = (enlarged - enlarged.min()) / (enlarged.max() - enlarged.min())
    assert np.abs(enlarged - library).max() < 1e-5


def test_scorecam_variants_differ_and_skip_constant_channels(net: Net, x: torch.Tensor) -> None:
    net.cam[0].weight[0] = 0.0
    net.cam[0].bias[0] = 2.0
    activations, _ = cam._activations_and_gradients(net, net.cam, x, 1)
    assert (activations[0] == 2.0).all()
    paper = cam.scorecam_formula(net, net.cam, x, 1)
    library_way = cam.scorecam_formula(net, net.cam, x, 1, align_corners=True)
    repository = cam.scorecam_formula(net, net.cam, x, 1, weights="probability")
    assert not np.allclose(paper, library_way)
    rest = torch.zeros(4, 4, dtype=torch.float64)
    for channel in activations[1:]:
        mask = nn.functional.interpolate(channel[None, None], size=(16, 16), mode="bilinear")[0, 0]
        if mask.max() > mask.min():
            mask = (mask - mask.min()) / (mask.max() - mask.min())
            rest += torch.softmax(net(x * mask)[0], dim=0)[1] * channel
    assert np.allclose(repository, rest, rtol=1e-4)
    with pytest.raises(ValueError, match="weights"):
        cam.scorecam_formula(net, net.cam, x, 1, weights="logit")


def test_integrated_gradients_by_hand_are_captums(net: Net, x: torch.Tensor) -> None:
    for baseline in (0.0, torch.tensor([-2.0, -1.0, 0.5])):
        ours = gradients.integrated_gradients_formula(net, x, 1, baseline, 20)
        captum = gradients.integrated_gradients_captum(net, x, 1, baseline, 20)
        assert np.abs(ours - captum).max() < 1e-5 * np.abs(captum).max()
