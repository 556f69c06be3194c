import pytest
import torch
from oracles.causal import ranking, ranking_flip

from xaibench.ops.ranking import order, ranks


@pytest.mark.parametrize("ties", ["row_major", "reverse"])
def test_equals_a_sort_with_a_stated_key(ties):
    drawn = torch.Generator().manual_seed(0)
    maps = torch.randint(0, 4, (5, 6, 7), generator=drawn) / 4
    found = order(maps, descending=True, ties=ties)
    for i in range(5):
        assert found[i].tolist() == list(ranking(maps[i].numpy(), ties=ties))


def test_reverse_is_an_ascending_order_turned_round():
    """As RISE's official code and the paper's have it."""
    maps = torch.randint(0, 4, (5, 6, 7), generator=torch.Generator().manual_seed(1)) / 4
    found = order(maps, descending=True, ties="reverse")
    for one, ours in zip(maps, found, strict=True):
        assert ours.tolist() == ranking_flip(one.numpy()).tolist()


def test_ascending_ties_go_by_index():
    found = order(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), descending=False)
    assert found.tolist() == [[1, 2, 0, 3]]


def test_random_ties_keep_the_order_of_values():
    maps = torch.tensor([[[0.5, 0.1], [0.5, 0.9]]])
    keys = torch.tensor([[3, 1, 0, 2]])
    assert order(maps, descending=True, ties="random", keys=keys).tolist() == [[3, 2, 0, 1]]
    with pytest.raises(ValueError, match="keys"):
        order(maps, descending=True, ties="random")


def test_ranks_invert_an_order():
    indices = torch.stack(
        [torch.randperm(9, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    )
    assert torch.equal(indices.gather(1, ranks(indices)), torch.arange(9).expand(3, 9))
