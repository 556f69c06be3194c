import numpy as np
import pytest
import torch
from helpers import explain, maps_of, on
from oracles.cam import gradcam_formula, gradcam_library

from xaibench.normalize import Normalization, normalize


def test_equals_pytorch_grad_cam_on_every_photograph(classifier, context, photographs, device):
    batch = on(photographs, device)
    ours = maps_of(context, batch, "gradcam").cpu().numpy()
    layer = classifier.layer("cam")
    for i in range(len(batch)):
        image, target = batch.images[i : i + 1], int(batch.targets[i, 0])
        library = gradcam_library(classifier.module, layer, image, target)
        assert np.abs(ours[i] - library).max() < 1e-2
        assert np.corrcoef(ours[i].ravel(), library.ravel())[0, 1] > 0.999


def test_equals_the_formula_for_three_targets(classifier, context, photographs, device):
    batch = on(photographs.rows(0, 3), device)
    logits = classifier(batch.images)
    targets = torch.stack([batch.labels, logits.argmax(1), logits.argmin(1)], 1)
    batch = type(batch)(batch.ids, batch.images, batch.labels, targets, ("a", "b", "c"))
    ours = explain(context, batch, "gradcam").maps.cpu()
    for i in range(3):
        for t in range(3):
            slow = gradcam_formula(
                classifier.module, classifier.layer("cam"), batch.images[i : i + 1], targets[i, t]
            )
            assert np.abs(ours[i, t].numpy() - slow).max() < 1e-5 * np.abs(slow).max()


@pytest.mark.parametrize("size", [1, 7, 32])
def test_batch_size_changes_only_last_bits(context, photographs, device, size):
    batch = on(photographs, device)
    whole = explain(context, batch, "gradcam").maps
    parts = explain(context, batch, "gradcam", step=size).maps
    steps = Normalization(rectify="relu", native_minmax=True)
    a, b = (normalize(m[:, 0], batch.size, steps) for m in (whole, parts))
    assert (a - b).abs().max() < 1e-5


def test_reference_normalises_once(context, photographs, device):
    batch = on(photographs.rows(0, 4), device)
    native = explain(context, batch, "gradcam").maps[:, 0]
    once = maps_of(context, batch, "gradcam", "reference")
    upsampled = torch.nn.functional.interpolate(
        native.clamp(min=0)[:, None], batch.size, mode="bilinear"
    )[:, 0]
    low, high = upsampled.amin((1, 2), True), upsampled.amax((1, 2), True)
    assert torch.allclose(once, (upsampled - low) / (high - low), atol=1e-6)
