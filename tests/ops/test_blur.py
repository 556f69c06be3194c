import numpy as np
import pytest
import torch
from oracles.causal import blur_kernel as slow_kernel
from oracles.causal import blurred

from xaibench.ops.blur import blur, blur_kernel


@pytest.mark.parametrize("size", [5, 11])
def test_equals_the_slow_kernel_and_convolution(size):
    assert np.abs(blur_kernel(size, 5.0).numpy() - slow_kernel(size, 5.0)).max() < 1e-7
    image = torch.rand(3, 20, 24, generator=torch.Generator().manual_seed(0))
    assert (
        np.abs(
            blur(image[None], size, 5.0)[0].numpy() - np.asarray(blurred(image, size, 5.0))
        ).max()
        < 1e-5
    )
