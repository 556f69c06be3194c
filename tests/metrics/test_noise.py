from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import maps_of, on, request, score, scoring
from scipy.stats import spearmanr
from test_randomization import explainer

from xaibench.normalize import normalize
from xaibench.probes.draws import noise

RADIUS = 0.2


def based(context, photographs, device, method):
    batch = on(photographs.rows(0, 2), device)
    base = scoring(context, batch, maps_of(context, batch, method))
    return replace(base, explain=explainer(context, batch, method))


def test_a_map_of_the_image_alone_does_not_change(context, photographs, device):
    base = based(context, photographs, device, "fakecam")
    assert torch.allclose(score(base, "noise_correlation"), torch.ones(2, dtype=torch.float64))


def test_it_is_the_mean_rank_correlation_with_maps_of_noisy_images(context, photographs, device):
    base = based(context, photographs, device, "gradcam")
    batch, method = base.batch, request("gradcam")
    expected = np.zeros(2)
    drawn = noise(context, batch.ids, 2, batch.size, RADIUS)
    for draw in range(2):
        noisy = replace(batch, images=batch.images + drawn[:, draw].to(device))
        native = method.entry(context, noisy, None, **method.options).maps[:, 0]
        other = normalize(native, batch.size, method.normalization).cpu()
        for i, (a, b) in enumerate(zip(base.maps.cpu(), other, strict=True)):
            expected[i] += spearmanr(a.flatten().numpy(), b.flatten().numpy()).statistic / 2
    found = score(base, "noise_correlation(draws=2)")
    assert found.numpy() == pytest.approx(expected, abs=1e-9)
    assert (found < 0.999).all()  # or this test could not fail
