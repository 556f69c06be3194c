"""Oracles of the causal metrics, confidence and monotonicity: ties, kernels, precisions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from oracles import causal, confidence, monotonicity
from scipy.ndimage import gaussian_filter
from torch import nn
from toys import Net, lopsided

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_reverse_is_the_flipped_stable_sort() -> None:
    for m in (lopsided(), np.ones((5, 7)), np.random.default_rng(0).random((9, 4))):
        assert causal.ranking(m) == causal.ranking_flip(m).tolist()
        assert causal.ranking(m) == causal.ranking(m, "reverse")
    assert causal.ranking(np.ones((1, 3))) == [2, 1, 0]
    assert causal.ranking(np.ones((1, 3)), "row_major") == [0, 1, 2]


@pytest.mark.parametrize("size", [5, 11])
def test_blur_kernel_is_scipys(size: int) -> None:
    delta = np.zeros((size, size))
    delta[size // 2, size // 2] = 1
    assert np.allclose(causal.blur_kernel(size), gaussian_filter(delta, 5), rtol=0, atol=1e-15)


def test_the_scripts_area(net: Net, x: torch.Tensor) -> None:
    curve = causal.deletion_curve(net, x[0], lopsided(), 2, 2, precision="float32")
    assert len(curve) == 9
    assert causal.auc_script(curve) == pytest.approx(causal.auc(curve), abs=2e-7)


def test_float32_probabilities_saturate() -> None:
    """At 1 - p near 2e-8 float32 sees no gain, float64 does."""
    logits = torch.tensor([18.0, 0.0, 0.0])
    higher = torch.tensor([18.5, 0.0, 0.0])
    single = confidence.confidence_from_logits(logits, higher, 0, "float32")
    double = confidence.confidence_from_logits(logits, higher, 0, "float64")
    assert single == {"average_drop": 0.0, "average_increase": 0.0, "average_gain": 0.0}
    assert double["average_increase"] == 1.0
    assert double["average_gain"] == pytest.approx(1 - math.exp(-0.5), rel=1e-6)
    with pytest.raises(ValueError, match="precision"):
        causal.target_probability(logits, 0, "float16")


def test_float32_in_the_tensors_of_the_script() -> None:
    """object_recognition.py's types: p float64 from JSON, q float32, e in the divisors."""
    p32, q32 = torch.softmax(torch.randn(2, 50, 9), dim=-1)[..., 3]
    p = torch.tensor([float(v) for v in p32], dtype=torch.float64)
    e = np.finfo(float).eps
    drop, gain = (p - q32).clamp(min=0) / (p + e), (q32 - p).clamp(min=0) / (1 - p + e)
    assert drop.dtype == torch.float64
    for i in range(50):
        found = confidence.confidence_of(p32[i].item(), q32[i].item(), "float32")
        assert found["average_drop"] == drop[i].item()
        assert found["average_gain"] == gain[i].item()
        assert found["average_increase"] == float(q32[i] > p32[i])


def test_the_two_masked_images_agree(x: torch.Tensor) -> None:
    ours = confidence.masked_image(x[0], lopsided(), MEAN, STD)
    script = confidence.masked_image_script(x[0], lopsided(), MEAN, STD)
    assert (ours - script).abs().max() < 2e-6
    assert (confidence.masked_image(x[0], np.ones((16, 16)), MEAN, STD) == x[0]).all()


def test_monotonicity_of_a_sure_network_has_ties_in_float32() -> None:
    class Sure(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            total = images.mean(dim=(1, 2, 3))
            return torch.stack([25 + total, 0 * total], dim=1)

    x, draws_ = torch.zeros(3, 16, 16), np.random.default_rng(0).random((8, 4, 3))
    arguments = (Sure(), x, lopsided(), 0, 2, draws_)
    assert math.isnan(monotonicity.monotonicity(*arguments, precision="float32"))
    assert -1 <= monotonicity.monotonicity(*arguments) <= 1
