import pytest
import torch
from oracles.iba import _smooth

from xaibench.ops.smooth import gaussian, smoothing_matrix


@pytest.mark.parametrize("shape", [(3, 7, 7), (2, 28, 20), (1, 3, 3)])
def test_equals_the_window_in_a_loop(shape):
    maps = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(gaussian(maps, 1.0, 5), _smooth(maps, 1.0, 5))


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_weights_of_a_pixel_sum_to_one_at_any_size(length):
    """Maps smaller than the window mirror as often as needed; torch's padding would refuse."""
    matrix = smoothing_matrix(length, 1.0, 5)
    assert torch.allclose(matrix.sum(1), torch.ones(length, dtype=torch.float64))
    constant = torch.full((2, length, length), 0.3, dtype=torch.float64)
    assert torch.allclose(gaussian(constant, 1.0, 5), constant)
