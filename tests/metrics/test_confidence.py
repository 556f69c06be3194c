from dataclasses import replace

import pytest
import torch
from helpers import score
from oracles.confidence import confidence as slow

KEYS = ("average_drop", "average_increase", "average_gain")


def test_equals_the_definitions(real, classifier):
    found = {key: score(real, key) for key in KEYS}
    mean, std = torch.tensor(classifier.input.mean), torch.tensor(classifier.input.std)
    for i in range(len(real.batch)):
        expected = slow(
            classifier.module,
            real.batch.images[i].cpu(),
            real.maps[i].cpu().numpy(),
            int(real.target[i]),
            mean,
            std,
        )
        for key in KEYS:
            assert abs(float(found[key][i]) - expected[key]) < 1e-5


def test_a_black_map_is_the_black_image(real, classifier):
    """m = 0 multiplies the [0, 1] pixels, so the network sees black, not the mean colour."""
    dark = replace(real, maps=torch.zeros_like(real.maps))
    black = classifier.from_pixels(torch.zeros_like(real.batch.images[:1]))
    with torch.inference_mode():
        q = classifier(black).double().softmax(-1)[0, real.target].cpu()
    p = real.probability.cpu()
    assert torch.allclose(score(dark, "average_drop"), ((p - q) / p).clamp(min=0), atol=1e-5)


@pytest.mark.parametrize(("p", "key"), [(0.0, "average_drop"), (1.0, "average_gain")])
def test_nothing_to_lose_or_gain_is_zero(real, p, key):
    edge = replace(real, probability=torch.full_like(real.probability, p))
    assert torch.equal(score(edge, key), torch.zeros(len(real.batch), dtype=torch.float64))


def test_a_network_that_gives_nan_gives_nan(real):
    lost = replace(real, maps=torch.full_like(real.maps, torch.nan))
    for key in KEYS:
        assert score(lost, key).isnan().all()
