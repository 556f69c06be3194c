from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import maps_of, on, score, scoring
from oracles import monotonicity as slow
from oracles.quantus_library import (
    library_order,
    quantus_monotonicity_channels,
    quantus_monotonicity_pixels,
)

from xaibench.probes.draws import fills
from xaibench.studies.audit.checks import fed


def drawn(base, steps, draws, values):
    return fills(base.ctx, base.batch.ids, steps, draws, values)[0].numpy()


@pytest.fixture(scope="module")
def one(context, whole, device):
    """A whole photograph with Grad-CAM's map: at half the size changes are within rounding."""
    batch = on(whole.rows(0, 1), device)
    return scoring(context, batch, maps_of(context, batch, "gradcam"))


def rows_of(base):
    """Rows a step: seven steps, as published at 224 pixels."""
    return base.batch.size[0] // 7


def distinct(base):
    """The maps with ties broken a little, so that Quantus's unstable sort has one answer."""
    noise = torch.rand(base.maps.shape, generator=torch.Generator().manual_seed(0))
    return replace(base, maps=base.maps * 0.9 + noise.to(base.maps) * 0.1)


def test_published_steps_equal_the_formula(few, classifier):
    rows = rows_of(few)
    ours = score(few, f"monotonicity(draws=2,rows_per_step={rows})")
    expected = slow.monotonicity(
        classifier.module,
        few.batch.images[0],
        few.maps[0].cpu().numpy(),
        int(few.target[0]),
        rows,
        drawn(few, 7, 2, 3),
    )
    assert abs(float(ours[0]) - expected) < 1e-5


def test_channels_equal_the_formula(few, classifier):
    rows = rows_of(few)
    ours = score(few, f"monotonicity(draws=1,features=channels,rows_per_step={rows})")
    expected = slow.monotonicity_channels(
        classifier.module,
        few.batch.images[0],
        few.maps[0].cpu().numpy(),
        int(few.target[0]),
        rows,
        drawn(few, 21, 1, 1)[..., 0],
    )
    assert abs(float(ours[0]) - expected) < 1e-5


def test_pixels_equal_quantus_with_the_same_draws(one, classifier):
    base, rows = distinct(one), rows_of(one)
    ours = score(base, f"monotonicity(draws=2,rows_per_step={rows})")
    library = quantus_monotonicity_pixels(
        classifier.module,
        base.batch.images[0],
        base.maps[0].cpu().numpy(),
        int(base.target[0]),
        rows,
        drawn(base, 7, 2, 3),
    )
    assert abs(float(ours[0]) - library) < 1e-5


def test_channels_equal_quantus_with_the_same_draws(one, classifier):
    """Entries of a pixel tie by threes and Quantus sorts unstably: compared on its own order."""
    base, rows = distinct(one), rows_of(one)
    map_, values = base.maps[0].cpu().numpy(), drawn(base, 21, 1, 1)[..., 0]
    arguments = (classifier.module, base.batch.images[0], map_, int(base.target[0]))
    with fed([np.asarray(v) for v in values.ravel()]):
        size = rows * base.batch.size[1]
        library = quantus_monotonicity_channels(*arguments, size, 1, 0)
    theirs = slow.monotonicity_channels(*arguments, rows, values, order=library_order(map_))
    assert abs(theirs - library) < 1e-5
    mine = slow.monotonicity_channels(*arguments, rows, values)
    ours = score(base, f"monotonicity(draws=1,features=channels,rows_per_step={rows})")
    assert abs(float(ours[0]) - mine) < 1e-5


def test_least_probable_class_is_defined(few):
    """p < 1e-5, where Quantus raises on batches: the divisor is 1 there."""
    low = replace(few, probability=torch.full_like(few.probability, 1e-9))
    assert score(low, "monotonicity(draws=1)").isfinite().all()


def test_constant_map_has_no_correlation(few):
    flat = replace(few, maps=torch.zeros_like(few.maps))
    assert score(flat, "monotonicity(draws=1)").isnan().all()
