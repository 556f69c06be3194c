import math
from dataclasses import replace

import pytest
import torch
from helpers import maps_of, on, score, scoring
from oracles.confidence import confidence as slow
from oracles.confidence import confidence_from_logits

KEYS = ("average_drop", "average_increase", "average_gain")


@pytest.mark.parametrize("method", ["gradcam", "fakecam"])
def test_equals_the_definitions(context, whole, classifier, device, method):
    """On whole photographs, of which the network is sure: quotients magnify rounding."""
    batch = on(whole.rows(0, 2), device)
    real = scoring(context, batch, maps_of(context, batch, method))
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


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_precision_of_the_softmax_is_a_switch(real, classifier, precision):
    ctx = replace(real.ctx, precision=precision)
    base = scoring(ctx, real.batch, real.maps)
    (logits,) = ctx.stream([real.batch.images])
    masked = classifier.from_pixels(classifier.to_pixels(real.batch.images) * real.maps[:, None])
    (after,) = ctx.stream([masked])
    found = {key: score(base, key) for key in KEYS}
    for i, target in enumerate(real.target.tolist()):
        expected = confidence_from_logits(logits[i].cpu(), after[i].cpu(), target, precision)
        for key in KEYS:
            assert abs(float(found[key][i]) - expected[key]) < 1e-7


def test_a_sure_network_gains_in_float64_alone(real, classifier):
    """At 1 - p near 2e-8, p is 1 in float32: nothing is left to gain."""
    sure, surer = torch.zeros(1, 1000), torch.zeros(1, 1000)
    sure[0, 3], surer[0, 3] = 24.6, 25.3
    for precision, gain in (("float32", 0.0), ("float64", 1 - math.exp(24.6 - 25.3))):
        expected = confidence_from_logits(sure[0], surer[0], 3, precision)["average_gain"]
        assert expected == pytest.approx(gain, abs=1e-5)
        ctx = replace(real.ctx, precision=precision)
        p, q = (ctx.probabilities(logits)[0, 3].item() for logits in (sure, surer))
        ours = max(q - p, 0) / (1 - p) if p < 1 else 0.0
        assert ours == pytest.approx(expected, abs=1e-5)


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
