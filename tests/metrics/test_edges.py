"""Edge cases of every metric, each with a stated answer."""

import math
from dataclasses import replace

import pytest
import torch
from helpers import score, scoring
from networks import CLASSES, Tiny, as_classifier, with_random_state

from xaibench.types import Batch, Context

SIZES = [(32, 32), (128, 128), (64, 96), (448, 448)]
METRICS = (
    "average_drop", "average_increase", "average_gain", "insertion", "deletion",
    "monotonicity(draws=2)", "completeness", "max_sensitivity(draws=2)",
    "avg_sensitivity(draws=2)", "sparseness", "complexity", "effective_complexity",
)  # fmt: skip


def tiny(size, count=3, batch_size=16, device="cpu"):
    """A scoring of noise images with maps of noise, on a network of a few layers."""
    classifier = as_classifier(with_random_state(Tiny()), cam="cam", iba="iba")
    drawn = torch.Generator().manual_seed(1)
    images = torch.randn(count, 3, *size, generator=drawn)
    labels = torch.randint(0, CLASSES, (count,), generator=drawn)
    names = tuple(f"{i}.png" for i in range(count))
    batch = Batch(names, images, labels, labels[:, None], positions=tuple(range(count)))
    maps = torch.rand(count, *size, generator=drawn)
    return scoring(Context(classifier, torch.device(device), 0, batch_size), batch, maps)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("size", SIZES)
def test_any_input_size(metric, size):
    found = score(tiny(size), metric)
    assert found.shape == (3,)
    assert found.dtype == torch.float64
    if metric.startswith("monotonicity") and size[0] <= 32:
        assert found.isnan().all()  # one step of 32 rows has no correlation
    else:
        assert found.isfinite().all()


@pytest.mark.parametrize("metric", METRICS)
def test_images_do_not_see_each_other(metric):
    """A batch of one, and any batch size of the network, give the same values."""
    base = tiny((64, 64))
    together = score(base, metric)
    alone = replace(
        base, batch=base.batch.rows(1, 2), maps=base.maps[1:2], target=base.target[1:2],
        logit=base.logit[1:2], probability=base.probability[1:2],
    )  # fmt: skip
    assert abs(score(alone, metric)[0] - together[1]) < 1e-5
    for size in (1, 7, 32):
        other = replace(base, ctx=replace(base.ctx, batch_size=size))
        assert (score(other, metric) - together).abs().max() < 1e-5


@pytest.mark.parametrize("metric", METRICS)
def test_a_map_of_nan_is_nan(metric):
    base = tiny((64, 64))
    lost = score(replace(base, maps=torch.full_like(base.maps, torch.nan)), metric)
    if metric not in ("insertion", "deletion", "effective_complexity", "sparseness"):
        assert lost.isnan().all()
    # a rank or a count of NaN is a number: the stage gives these rows their status all the same


@pytest.mark.parametrize("metric", METRICS)
def test_a_constant_map_has_a_stated_value(metric):
    """Zeros: pixels in index order for the curves, and NaN where a ratio or a rank is undefined."""
    base = tiny((64, 64))
    found = score(replace(base, maps=torch.zeros_like(base.maps)), metric)
    if metric.partition("(")[0] in ("monotonicity", "complexity", "max_sensitivity",
                                    "avg_sensitivity"):  # fmt: skip
        assert found.isnan().all()
    else:
        assert found.isfinite().all()


@pytest.mark.parametrize("kind", ["one pixel", "all but one"])
def test_one_pixel_decides(kind):
    base = tiny((64, 64))
    one = torch.zeros_like(base.maps)
    one[:, 10, 20] = 1
    maps = one if kind == "one pixel" else 1 - one
    edge = replace(base, maps=maps)
    for metric in METRICS:
        assert score(edge, metric).isfinite().all()
    expected = 0.0 if kind == "one pixel" else math.log(64 * 64 - 1)
    assert (score(edge, "complexity") - expected).abs().max() < 1e-9


def test_a_sure_and_a_hopeless_class():
    """Logits so far apart that p is 1 or 0 in every floating-point format."""
    base = tiny((64, 64))
    module = with_random_state(Tiny())
    with torch.no_grad():
        module.head.bias.copy_(torch.tensor([1e4] + [0.0] * (CLASSES - 1)))
    classifier = as_classifier(module, cam="cam", iba="iba")
    for target, p in ((0, 1.0), (1, 0.0)):
        batch = replace(base.batch, targets=torch.full((3, 1), target))
        edge = scoring(replace(base.ctx, classifier=classifier), batch, base.maps)
        assert edge.probability.tolist() == [p] * 3
        assert score(edge, "insertion").tolist() == pytest.approx([p] * 3)
        assert score(edge, "deletion").tolist() == pytest.approx([p] * 3)
        for metric in ("average_drop", "average_increase", "average_gain"):
            assert score(edge, metric).tolist() == [0.0] * 3
        assert score(edge, "monotonicity(draws=2)").isnan().all()  # nothing changes anything


def test_a_network_that_gives_nan_gives_nan_everywhere():
    base = tiny((64, 64))
    module = with_random_state(Tiny())
    with torch.no_grad():
        module.head.bias.fill_(torch.nan)
    ctx = replace(base.ctx, classifier=as_classifier(module, cam="cam", iba="iba"))
    edge = scoring(ctx, base.batch, base.maps)
    for metric in ("average_drop", "average_increase", "average_gain", "insertion", "deletion",
                   "monotonicity(draws=2)"):  # fmt: skip
        assert score(edge, metric).isnan().all()
