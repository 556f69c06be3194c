import pytest
import torch

from xaibench.ops.pairs import chunks, weighted_sum

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_every_pair_once_image_by_image_in_full_chunks(size):
    parts = list(chunks(3, 5, size, CPU))
    pairs = [p for image, item in parts for p in zip(image.tolist(), item.tolist(), strict=True)]
    assert pairs == [(i, k) for i in range(3) for k in range(5)]
    assert all(len(image) == min(size, 15) for image, _ in parts[:-1])


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_weighted_sum_equals_the_loop(size):
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(5, 4, 6, generator=generator, dtype=torch.float64)
    weights = torch.rand(3, 5, 2, generator=generator, dtype=torch.float64)
    held = []

    def render(image, item):
        held.append(len(item))
        return pictures[item] + image[:, None, None]

    found = weighted_sum(3, 5, size, CPU, weights, render)
    for i in range(3):
        for t in range(2):
            slow = sum(weights[i, k, t] * (pictures[k] + i) for k in range(5))
            assert torch.allclose(found[i, t], slow)
    assert max(held) <= size
