import numpy as np
import pytest
import torch
from oracles.rise import mask_from_grid

from xaibench.ops.randommasks import draw_grids, render


@pytest.mark.parametrize(
    ("cells", "side"), [(4, 224), (7, 224), (7, 32), (4, 448), (7, 7), (3, 50)]
)
def test_equals_the_papers_mask(cells, side):
    """Every shift from none to the largest, where a side is no multiple of the cells too."""
    grids, shifts = draw_grids(6, cells, 0.5, torch.Generator().manual_seed(1))
    shifts[0], shifts[1] = 0.0, 1 - 2**-20
    cell = -(-side // cells)
    found = render(grids.double(), shifts, (side, side))
    for mask, grid, shift in zip(found, grids.numpy(), shifts, strict=True):
        slow = mask_from_grid(grid, *(int(s * cell) for s in shift.tolist()), side)
        assert np.abs(mask.numpy() - slow).max() < 1e-6


def test_other_shapes_than_squares():
    grids, shifts = draw_grids(3, 4, 0.5, torch.Generator().manual_seed(1))
    tall = render(grids.float(), shifts, (96, 40))
    assert tall.shape == (3, 96, 40)
    assert tall.min() >= 0
    assert tall.max() <= 1 + 1e-6


def test_share_of_open_cells_and_the_seed():
    grids, shifts = draw_grids(4000, 4, 0.1, torch.Generator().manual_seed(2))
    assert abs(grids.float().mean() - 0.1) < 0.005
    assert abs(shifts.mean() - 0.5) < 0.02
    again, _ = draw_grids(4000, 4, 0.1, torch.Generator().manual_seed(2))
    assert torch.equal(grids, again)
