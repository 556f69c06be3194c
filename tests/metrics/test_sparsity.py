import math
from dataclasses import replace

import pytest
import torch
from helpers import maps_of, on, score, scoring
from oracles import complexity as slow
from oracles import quantus_library as library

KEYS = ("sparseness", "complexity", "effective_complexity")


@pytest.mark.parametrize("key", KEYS)
def test_equals_the_formula_and_quantus(real, key):
    found = score(real, key)
    for i in range(len(real.batch)):
        map_ = real.maps[i].cpu().numpy()
        expected = getattr(slow, key)(map_)
        quantus = getattr(library, f"quantus_{key}")(map_)
        assert abs(float(found[i]) - expected) < 1e-9 * max(1, abs(expected))
        # Quantus adds 1e-12 inside the logarithm: 5e-8 lower
        assert abs(float(found[i]) - quantus) < 1e-6 * max(1, abs(quantus))


def test_fake_cam_is_what_table_3_prints(context, whole, device):
    batch = on(whole.rows(0, 2), device)
    base = scoring(context, batch, maps_of(context, batch, "fakecam"))
    assert (100 * score(base, "sparseness")).round(decimals=1).tolist() == [0.0, 0.0]
    assert torch.allclose(
        score(base, "complexity"), torch.tensor(math.log(50175), dtype=torch.float64)
    )
    assert score(base, "effective_complexity").tolist() == [50175, 50175]


def test_edges(real):
    """All zero, one pixel, all equal but one: sparseness, entropy, pixels."""
    zero, one = torch.zeros(224, 224), torch.zeros(224, 224)
    one[3, 4] = 1
    maps = torch.stack([zero, one, 1 - one, one]).to(real.maps)
    edge = replace(real, maps=maps)
    assert abs(score(edge, "sparseness")[0]) < 1e-12
    assert score(edge, "sparseness")[1] > 0.99
    assert score(edge, "complexity")[0].isnan()
    assert score(edge, "complexity")[1] == 0
    assert abs(score(edge, "complexity")[2] - math.log(50175)) < 1e-9
    assert score(edge, "effective_complexity").tolist() == [0, 1, 50175, 1]
