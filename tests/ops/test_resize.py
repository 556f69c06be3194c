import cv2
import numpy as np
import pytest
import torch
from skimage.transform import resize

from xaibench.ops.resize import bilinear, by_matrices, minmax, upsample

SIZES = [((7, 7), (224, 224)), ((4, 6), (30, 31)), ((14, 14), (32, 448)), ((2, 2), (5, 5))]


def grid(size):
    return np.random.default_rng(0).random(size, dtype=np.float32)


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_clamp_equals_cv2(small, large):
    ours = upsample(torch.from_numpy(grid(small))[None], large)[0].numpy()
    assert np.abs(ours - cv2.resize(grid(small), large[::-1])).max() < 1e-5


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_mirror_equals_skimage(small, large):
    ours = upsample(torch.from_numpy(grid(small))[None], large, "mirror")[0].numpy()
    library = resize(grid(small), large, order=1, mode="reflect", anti_aliasing=False)
    assert np.abs(ours - library).max() < 1e-6


def test_one_pixel_spreads_everywhere():
    for border in ("clamp", "mirror"):
        assert (upsample(torch.full((1, 1, 1), 3.0), (4, 4), border) == 3).all()


def test_minmax_of_constant_and_nan():
    maps = torch.tensor([[[1.0, 3.0]], [[2.0, 2.0]], [[float("nan"), 1.0]]])
    found = minmax(maps)
    assert found[:2].tolist() == [[[0.0, 1.0]], [[0.0, 0.0]]]
    assert found[2].isnan().all()


@pytest.mark.parametrize("size", [(224, 224), (3, 4), (7, 11), (1, 1)])
def test_matrices_resize_as_interpolate_does(size: tuple[int, int]) -> None:
    """What a gradient goes through on a GPU: values and gradients, larger and smaller."""
    values = torch.randn(2, 3, 7, 5, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 3, *size, dtype=torch.float64)
    found = []
    for one in (by_matrices(values, size), bilinear(values, size)):
        (gradient,) = torch.autograd.grad((one * weights).sum(), values, retain_graph=True)
        found.append((one.detach(), gradient))
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=0)
