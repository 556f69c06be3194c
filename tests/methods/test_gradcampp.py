import numpy as np
import pytest
import torch
from helpers import explain, maps_of, on
from networks import as_classifier, pictures
from oracles.cam import gradcampp_formula, gradcampp_library, gradcampp_paper
from torch import nn

from xaibench.types import Context


def test_equals_pytorch_grad_cam_on_every_photograph(context, photographs, oracle_network, device):
    ours = maps_of(context, on(photographs, device), "gradcampp").cpu().numpy()
    layer = oracle_network.features
    for i in range(len(photographs)):
        image, target = photographs.images[i : i + 1], int(photographs.targets[i, 0])
        library = gradcampp_library(oracle_network, layer, image, target)
        assert np.abs(ours[i] - library).max() < 1e-2
        assert np.corrcoef(ours[i].ravel(), library.ravel())[0, 1] > 0.999


@pytest.mark.parametrize(
    ("protocol", "oracle"), [("published", gradcampp_formula), ("reference", gradcampp_paper)]
)
def test_equals_the_formula_for_three_targets(
    context, three_targets, oracle_network, device, protocol, oracle
):
    """With pytorch-grad-cam's 1e-6 in published, without in reference."""
    batch = three_targets.rows(0, 3)
    ours = explain(context, on(batch, device), "gradcampp", protocol).maps.cpu().numpy()
    for i in range(3):
        for t in range(3):
            slow = oracle(
                oracle_network,
                oracle_network.features,
                batch.images[i : i + 1],
                int(batch.targets[i, t]),
            )
            assert np.abs(ours[i, t] - slow).max() < 1e-5 * np.abs(slow).max()


def test_the_epsilon_of_the_library_moves_the_map(context, whole, device):
    batch = on(whole, device)
    moved = maps_of(context, batch, "gradcampp") - maps_of(context, batch, "gradcampp(epsilon=0)")
    assert moved.abs().amax() > 0.02


class Given(nn.Module):
    """Activations of 1 in two channels of 2x2 cells, and logits with gradients -0.5 and 0.5."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 32, 32)
        self.layer.weight.data.zero_()
        self.layer.bias.data.fill_(1.0)

    def forward(self, images):
        first, second = self.layer(images).sum((2, 3)).T
        return (0.5 * second - 0.5 * first)[:, None].expand(-1, 10)


def test_a_vanishing_denominator_has_no_weight():
    """The first channel's: 2 g^2 + 4 g^3 = 0 for g = -0.5."""
    ctx = Context(as_classifier(Given(), cam="layer"), torch.device("cpu"), 0, 16)
    batch = pictures(ctx.classifier, 1, targets=("ground_truth",))
    found = explain(ctx, batch, "gradcampp", "reference").maps
    assert torch.equal(found, torch.full((1, 1, 2, 2), 4 * 0.5 * 0.25 / (0.5 + 4 * 0.125)))
