import numpy as np
import pytest
import torch

from xaibench.ops.curves import normalized_auc, perturbed, step_sizes


def test_steps_of_the_protocols():
    assert step_sizes(224, 224, 8) == [1792 * i for i in range(1, 29)]
    assert len(step_sizes(224, 224, 1)) == 224
    assert step_sizes(4, 5, 3) == [15, 20]


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_pixels_change_in_rank_order(chunk):
    start, end = torch.zeros(2, 3, 2, 2), torch.ones(2, 3, 2, 2)
    ranks = torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0]])
    parts = list(perturbed(start, end, ranks, [1, 3], chunk))
    inputs, rows = (torch.cat(p) for p in zip(*parts, strict=True))
    assert rows.tolist() == [0, 0, 1, 1]
    assert inputs[:, 0].flatten(1).tolist() == [
        [1, 0, 0, 0],
        [1, 1, 1, 0],
        [0, 0, 0, 1],
        [0, 1, 1, 1],
    ]
    assert torch.equal(inputs[:, 0], inputs[:, 2])


def test_area_equals_numpy():
    curve = torch.rand(3, 29, generator=torch.Generator().manual_seed(0))
    area = np.trapezoid(curve.double().numpy(), dx=1 / 28, axis=1)
    assert np.allclose(normalized_auc(curve), area, atol=1e-12)
