import pytest
import torch

from xaibench.ops.pairs import built, combined_channels, in_parts, over_space, weighted_sum

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_every_pair_once_image_by_image_in_full_batches(size, device):
    images = torch.arange(3.0, device=device).view(3, 1, 1, 1).expand(3, 3, 2, 2)
    added = 10 * torch.arange(5.0, device=device).view(-1, 1, 1, 1)

    def make(image, items, out):
        torch.add(images[image], added[items], out=out)

    parts = list(built(images, 5, size, make))
    inputs, owners = (torch.cat(part) for part in zip(*parts, strict=True))
    pairs = [(i, k) for i in range(3) for k in range(5)]
    assert owners.tolist() == [i for i, _ in pairs]
    assert inputs.shape == (15, 3, 2, 2)
    assert [set(one.flatten().tolist()) for one in inputs] == [{i + 10.0 * k} for i, k in pairs]
    assert all(len(one) == min(size, 15) for one, _ in parts[:-1])
    assert len({one.data_ptr() for one, _ in parts}) == len(parts)  # none is overwritten


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_weighted_sum_equals_the_loop(size):
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(5, 4, 6, generator=generator, dtype=torch.float64)
    weights = torch.rand(3, 5, 2, generator=generator, dtype=torch.float64)
    held = []

    def render(item):
        held.append(len(item))
        return pictures[item]

    found = weighted_sum(weights, in_parts(5, size, CPU, render))
    for i in range(3):
        for t in range(2):
            slow = sum(weights[i, k, t] * pictures[k] for k in range(5))
            assert torch.allclose(found[i, t], slow)
    assert set(held) == {size}  # one shape


def test_a_weight_that_is_not_finite_spoils_its_own_map_alone():
    weights = torch.rand(2, 5, 2)
    weights[0, 3, 1] = torch.nan
    found = weighted_sum(weights, in_parts(5, 2, CPU, lambda item: torch.rand(len(item), 3, 3)))
    assert found.isnan().flatten(2).all(2).tolist() == [[False, True], [False, False]]


def test_channels_and_space_equal_einsum():
    generator = torch.Generator().manual_seed(1)
    maps = torch.rand(3, 6, 4, 5, generator=generator, dtype=torch.float64)
    weights = torch.rand(3, 2, 6, generator=generator, dtype=torch.float64)
    expected = torch.einsum("btc,bchw->bthw", weights, maps)
    for layout in (torch.contiguous_format, torch.channels_last):
        given = maps.contiguous(memory_format=layout)
        assert torch.allclose(combined_channels(weights, given), expected)
        assert torch.allclose(over_space(given), maps.sum((-2, -1)))
