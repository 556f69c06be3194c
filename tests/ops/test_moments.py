import pytest
import torch

from xaibench.ops.moments import moments


@pytest.mark.parametrize("size", [1, 3, 8, 50])
def test_equals_all_at_once_whatever_the_parts(size):
    values = torch.randn(20, 3, 4, 5, generator=torch.Generator().manual_seed(0)) + 100
    values[values < 100] = 0
    mean, std, share = moments(values.split(size))
    assert torch.allclose(mean, values.double().mean(0), rtol=1e-12)
    assert torch.allclose(std, values.double().std(0), rtol=1e-10)
    assert torch.equal(share, (values != 0).double().mean(0))


def test_one_image_has_no_spread():
    _, std, _ = moments([torch.ones(1, 2, 2, 2)])
    assert not std.any()


def test_no_images_is_an_error():
    with pytest.raises(ValueError, match="no images"):
        moments([])
