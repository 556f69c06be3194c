import pytest
import torch
from torch import nn

from xaibench.models import fuse
from xaibench.models.fold import TOLERANCE, folded
from xaibench.models.fuse import ConvActivation, fused
from xaibench.models.load import load_model

pytestmark = pytest.mark.skipif(not fuse._available(), reason="torch has no oneDNN here")


def joined(module):
    return sum(isinstance(m, ConvActivation) for m in module.modules())


@pytest.mark.parametrize(
    ("name", "count"),
    [("efficientnet_lite0", 33), ("resnet18@random", 1)],
)
def test_equals_the_network_itself(name, count, photographs):
    classifier = load_model(name)
    images = photographs.images[:4].contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        plain = folded(classifier.module, images[:1])(images)
        quick = classifier.inference(images)
    assert joined(classifier.inference) == count
    assert joined(classifier.module) == 0
    assert (plain - quick).abs().max() <= TOLERANCE * (plain.max() - plain.min())


class Net(nn.Module):
    """A convolution, something done with its output, and an activation."""

    def __init__(self, between, act=nn.ReLU):
        super().__init__()
        self.conv, self.act, self.between = nn.Conv2d(3, 4, 3, padding=1), act(), between

    def forward(self, x):
        return self.between(self.conv(x), self.act).mean((2, 3))


def shifted(y, act):
    y -= 0.5  # the tensor stays the convolution's own, its values do not
    return act(y)


@pytest.mark.parametrize("act", [nn.ReLU, nn.ReLU6])
def test_fuses_where_the_activation_comes_next(act):
    module = Net(lambda y, act: act(y), act).eval().requires_grad_(False)
    x = torch.randn(2, 3, 8, 8) * 9
    quick = fused(module, x[:1])
    assert joined(quick) == 1
    with torch.inference_mode():
        assert torch.allclose(module(x), quick(x), atol=1e-5)


@pytest.mark.parametrize(
    "between",
    [
        shifted,
        lambda y, act: act(y + 1),
        lambda y, act: act(y) + y,
        lambda y, act: act(act(y) - 0.5),
    ],
    ids=["changed in place", "changed", "read twice", "activation used elsewhere too"],
)
def test_leaves_what_would_change(between):
    module = Net(between).eval().requires_grad_(False)
    x = torch.randn(2, 3, 8, 8)
    assert joined(fused(module, x[:1])) == 0


@pytest.mark.parametrize("network", [Net(lambda y, act: act(y), nn.GELU), nn.Flatten()])
def test_networks_without_such_pairs_are_left(network):
    x = torch.randn(1, 3, 8, 8)
    assert fused(network, x) is network


def test_is_found_inside_inference_mode_too():
    with torch.inference_mode():
        assert joined(load_model("efficientnet_lite0").inference) == 33


@pytest.mark.parametrize("act", [nn.ReLU, nn.ReLU6])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_broken_input_gives_nan_and_its_neighbours_do_not(act, value):
    module = Net(lambda y, act: act(y), act).eval().requires_grad_(False)
    x = torch.randn(3, 3, 8, 8)
    quick = fused(module, x[:1])
    assert joined(quick) == 1
    x[1, 2, 3, 4] = value
    with torch.inference_mode():
        found = quick(x)
    assert found[1].isnan().all()
    assert torch.allclose(found[[0, 2]], module(x[[0, 2]]), atol=1e-6)


def test_broken_weights_are_left():
    module = Net(lambda y, act: act(y)).eval().requires_grad_(False)
    module.conv.weight[0] = torch.nan
    assert fused(module, torch.randn(1, 3, 8, 8)) is module


def test_float64_is_left():
    module = Net(lambda y, act: act(y)).double()
    assert fused(module, torch.randn(1, 3, 8, 8, dtype=torch.float64)) is module


def test_gradients_pass():
    module = Net(lambda y, act: act(y)).eval().requires_grad_(False)
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    quick = fused(module, x.detach()[:1])
    assert joined(quick) == 1
    (plain,) = torch.autograd.grad(module(x).sum(), x)
    (found,) = torch.autograd.grad(quick(x).sum(), x)
    assert torch.equal(plain, found)
