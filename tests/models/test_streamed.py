"""BatchNorm over a batch in chunks: equal to the whole batch at once, forwards and backwards."""

import pytest
import torch
from torch import nn

from xaibench.errors import XaibenchError
from xaibench.models.batchnorm import with_group_statistics
from xaibench.models.load import load_model
from xaibench.models.streamed import Streamed

NETWORKS = {  # name -> parts
    "efficientnet_lite0": 18,
    "resnet18@random": 10,
}


def gradient(network, x, column):
    x = x.clone().requires_grad_()
    logits = network(x)
    (found,) = torch.autograd.grad(logits[:, column].sum(), x)
    return logits.detach(), found


@pytest.mark.parametrize(("name", "parts"), NETWORKS.items())
def test_equals_all_at_once(name, parts):
    """Groups of 4 and 3, in chunks of 3.

    A last group of two whose last layers are 1x1 would magnify rounding by 1/sqrt(eps).
    """
    module = load_model(name).module.double()
    x = torch.randn(7, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    streamed = Streamed(module, 4, 3, x[:1])
    assert len(streamed.parts) == parts
    for whole, found in zip(
        gradient(with_group_statistics(module, 4), x, 3), gradient(streamed, x, 3), strict=True
    ):
        assert (whole - found).abs().max() < 1e-10 * whole.abs().max()


def test_shares_the_weights_and_leaves_the_original():
    classifier = load_model("resnet18@random")
    before = {k: v.clone() for k, v in classifier.module.state_dict().items()}
    forwards = [m.forward.__func__ for m in classifier.module.modules()]
    view = classifier.view(batchnorm_groups=4, chunk=2)
    gradient(view, torch.randn(4, 3, 64, 64), 0)
    assert all(torch.equal(v, before[k]) for k, v in classifier.module.state_dict().items())
    assert [m.forward.__func__ for m in classifier.module.modules()] == forwards
    ours = {p.data_ptr() for p in classifier.module.parameters()}
    assert {p.data_ptr() for p in view.module.parameters()} == ours
    assert all("forward" not in vars(m) for m in view.module.modules())


@pytest.mark.parametrize("network", ["efficientnet_lite0", "resnet18@random"])
def test_keeps_the_inputs_of_the_parts_alone(network):
    module = load_model(network).module
    x = torch.randn(4, 3, 64, 64)
    streamed = Streamed(module, 4, 1, x[:1])
    rows = set()
    watch = [m for m in streamed.network.modules() if isinstance(m, nn.Conv2d)]
    handles = [m.register_forward_hook(lambda m, i, o: rows.add(len(o))) for m in watch]
    gradient(streamed, x, 0)
    for handle in handles:
        handle.remove()
    assert rows == {1}


class Side(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1, bias=False), nn.BatchNorm2d(3)

    def forward(self, x):
        return self.norm(self.conv(x))


class Pair(nn.Module):
    def __init__(self, join):
        super().__init__()
        self.sides, self.join = nn.ModuleList([Side(), Side()]), join

    def forward(self, x):
        return self.join(x, *self.sides).relu().mean((2, 3))


def changed_between(x, first, second):
    y = first(x)
    y *= 2
    return second(y)


@pytest.mark.parametrize("join", [lambda x, first, second: first(x) * second(x), changed_between])
def test_blocks_that_are_no_chain_are_one_part(join):
    module = Pair(join).double()
    x = torch.randn(5, 3, 8, 8, dtype=torch.float64)
    streamed = Streamed(module, 5, 2, x[:1])
    assert len(streamed.parts) == 1
    for whole, found in zip(
        gradient(with_group_statistics(module, 5), x, 1), gradient(streamed, x, 1), strict=True
    ):
        assert torch.allclose(whole, found, atol=1e-12)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.norm(self.norm(x)).mean((2, 3))


def test_a_norm_that_is_called_twice_is_refused():
    with pytest.raises(XaibenchError, match="BatchNorm 'norm' is called twice"):
        Streamed(Twice(), 4, 2, torch.zeros(1, 3, 8, 8))


def test_a_network_without_batchnorm_is_forwarded_in_chunks():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    x = torch.randn(5, 3, 2, 2)
    logits, found = gradient(Streamed(network, 5, 2, x[:1]), x, 1)
    assert torch.allclose(logits, network(x), atol=1e-6)
    assert torch.allclose(found.flatten(1), network[1].weight[1].expand(5, -1))
