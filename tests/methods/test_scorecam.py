import dataclasses

import numpy as np
import pytest
import torch
from helpers import explain, maps_of, on
from networks import pictures
from oracles.cam import scorecam_formula, scorecam_library

from xaibench.models.load import load_model
from xaibench.types import Context


def agree(ours, network, layer, batch, t=0):
    for i in range(len(batch)):
        image, target = batch.images[i : i + 1], int(batch.targets[i, t])
        library = scorecam_library(network, layer, image, target)
        assert np.abs(ours[i] - library).max() < 1e-2
        assert np.corrcoef(ours[i].ravel(), library.ravel())[0, 1] > 0.999


def test_equals_pytorch_grad_cam_at_an_early_layer(context, photographs, oracle_network, device):
    """24 channels of 56 x 56 instead of 1280: the same code, a fiftieth of the forwards."""
    name = "features.network._blocks.2"
    batch = photographs.rows(0, 3)
    ours = maps_of(context, on(batch, device), f"scorecam(layer='{name}')").cpu().numpy()
    agree(ours, oracle_network, oracle_network.get_submodule(name), batch)


@pytest.mark.parametrize("layer", ["layer1", "conv1"])
def test_equals_pytorch_grad_cam_on_a_resnet(layer):
    """conv1 has negative activations."""
    classifier = load_model("torchvision:resnet18@random")
    batch = pictures(classifier, 1, (64, 96))
    context = Context(classifier, torch.device("cpu"), 0, 16)
    for t in range(2):
        one = dataclasses.replace(batch, targets=batch.targets[:, t : t + 1])
        ours = maps_of(context, one, f"scorecam(layer={layer})").numpy()
        agree(ours, classifier.module, classifier.layer(layer), one)


@pytest.mark.slow
def test_equals_pytorch_grad_cam_at_the_head_on_three_photographs(
    context, photographs, oracle_network, device
):
    batch = photographs.rows(0, 3)
    ours = maps_of(context, on(batch, device), "scorecam").cpu().numpy()
    agree(ours, oracle_network, oracle_network.features, batch)


def test_never_holds_more_masked_inputs_than_a_batch(context, photographs):
    seen = []

    class Watched(Context):
        def forwarded(self, chunks):
            def counted():
                for chunk in chunks:
                    seen.append(len(chunk[0]))
                    yield chunk

            return super().forwarded(counted())

    batch = on(photographs.rows(0, 2), context.device)
    small = Watched(**(vars(context) | {"batch_size": 7}))
    maps_of(small, batch, "scorecam(layer='features.network._blocks.0')")
    assert max(seen) == 7
    assert sum(seen) == 2 * 16
    assert set(seen[:-1]) == {7}  # full batches, across images


@pytest.mark.parametrize("weights", ["softmax", "probability"])
@pytest.mark.parametrize(("protocol", "align"), [("published", True), ("reference", False)])
def test_equals_the_formula(context, photographs, oracle_network, device, protocol, align, weights):
    """pytorch-grad-cam's corners in published, the authors' in reference; both kinds of weights."""
    name = "features.network._blocks.2"
    batch = photographs.rows(0, 2)
    spec = f"scorecam(layer='{name}', weights={weights})"
    ours = explain(context, on(batch, device), spec, protocol).maps[:, 0].cpu().numpy()
    layer = oracle_network.get_submodule(name)
    for i in range(2):
        image, target = batch.images[i : i + 1], int(batch.targets[i, 0])
        slow = scorecam_formula(oracle_network, layer, image, target, align, weights)
        assert np.abs(ours[i] - slow).max() < 1e-4 * np.abs(slow).max()


def test_the_corners_are_a_switch(context, photographs, device):
    batch = on(photographs.rows(0, 2), device)
    spec = "scorecam(layer='features.network._blocks.2', align_corners={})"
    one, other = (maps_of(context, batch, spec.format(flag)) for flag in (True, False))
    assert (one - other).abs().amax() > 1e-4
