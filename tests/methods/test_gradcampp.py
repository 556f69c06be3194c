import numpy as np
from helpers import explain, maps_of, on
from oracles.cam import gradcampp_formula, gradcampp_library


def test_equals_pytorch_grad_cam_on_every_photograph(context, photographs, oracle_network, device):
    ours = maps_of(context, on(photographs, device), "gradcampp").cpu().numpy()
    layer = oracle_network.features
    for i in range(len(photographs)):
        image, target = photographs.images[i : i + 1], int(photographs.targets[i, 0])
        library = gradcampp_library(oracle_network, layer, image, target)
        assert np.abs(ours[i] - library).max() < 1e-2
        assert np.corrcoef(ours[i].ravel(), library.ravel())[0, 1] > 0.999


def test_equals_the_formula_for_three_targets(context, three_targets, oracle_network, device):
    batch = three_targets.rows(0, 3)
    ours = explain(context, on(batch, device), "gradcampp").maps.cpu().numpy()
    for i in range(3):
        for t in range(3):
            slow = gradcampp_formula(
                oracle_network,
                oracle_network.features,
                batch.images[i : i + 1],
                int(batch.targets[i, t]),
            )
            assert np.abs(ours[i, t] - slow).max() < 1e-5 * np.abs(slow).max()
