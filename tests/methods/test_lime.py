import dataclasses

import numpy as np
import pytest
import torch
from helpers import explain, on, request
from oracles.lime import (
    coefficients_to_map,
    lime_captum_coefficients,
    lime_package_coefficients,
    quickshift_segments,
)
from skimage.segmentation import quickshift


def drawn_samples(context, batch, i, segments, spec, protocol):
    """The samples that lime draws for image i: Bernoulli(0.5) from the image's own generator."""
    n = request(spec, protocol).options["n_samples"]
    generator = context.generator(batch.ids[i], "lime")
    return (torch.rand(n, segments.max() + 1, generator=generator) < 0.5).long().numpy()


@pytest.mark.parametrize("count", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_published_equals_captum_on_photographs(context, photographs, quick_network, device, count):
    """Segments as the oracle cuts them: quickshift of the float32 normalised image.

    Of its float64 copy quickshift cuts other segments on some photographs (skimage computes in
    the type it is given): coefficients are then up to 1.1 apart.
    """
    photographs = photographs.rows(0, count)
    found = explain(context, on(photographs, device), "lime").maps[:, 0].cpu().numpy()
    apart = []
    for i in range(count):
        x, target = photographs.images[i : i + 1], int(photographs.targets[i, 0])
        segments = quickshift_segments(x)
        samples = drawn_samples(context, photographs, i, segments, "lime", "published")
        coefficients = lime_captum_coefficients(quick_network, x, target, segments, samples)
        slow = coefficients_to_map(np.abs(coefficients), segments)
        apart.append(np.abs(found[i] - slow).max())
    print(f"largest difference of a coefficient: {max(apart):.1e}")
    assert max(apart) < 1e-4


def reference_differences(context, photographs, network, device, spec, count):
    batch = photographs.rows(0, count)
    found = explain(context, on(batch, device), spec, "reference").maps[:, 0].cpu().numpy()
    classifier = context.classifier
    apart = []

    def probabilities(pixels):
        images = torch.from_numpy(pixels.transpose(0, 3, 1, 2)).float()
        with torch.no_grad():
            return network(classifier.from_pixels(images)).softmax(1).numpy()

    for i in range(count):
        target = int(batch.targets[i, 0])
        pixels = classifier.to_pixels(batch.images[i]).permute(1, 2, 0).contiguous().numpy()
        segments = quickshift(pixels, kernel_size=4, max_dist=200, ratio=0.2).astype(np.int64)
        samples = drawn_samples(context, batch, i, segments, spec, "reference")
        coefficients = lime_package_coefficients(
            probabilities, pixels.astype(np.float64), segments, samples, target
        )
        slow = coefficients_to_map(coefficients.clip(min=0), segments)
        apart.append(np.abs(found[i] - slow).max())
    print(f"largest difference of a coefficient of {spec}: {max(apart):.1e}")
    return max(apart)


def test_reference_equals_the_lime_package(context, photographs, quick_network, device):
    spec = "lime(n_samples=50)"
    found = reference_differences(context, photographs, quick_network, device, spec, 2)
    assert found < 1e-4


@pytest.mark.slow
def test_reference_equals_the_lime_package_on_every_photograph(
    context, photographs, quick_network, device
):
    spec = "lime(n_samples=50)"
    found = reference_differences(context, photographs, quick_network, device, spec, 20)
    assert found < 1e-4


def test_worker_processes_change_nothing(context, photographs, device):
    batch = on(photographs.rows(0, 2), device)
    batch = dataclasses.replace(batch, images=batch.images[..., ::2, ::2])
    spec = "lime(n_samples=4)"
    here = explain(context, batch, spec).maps
    there = explain(dataclasses.replace(context, workers=2), batch, spec).maps
    assert torch.equal(here, there)
