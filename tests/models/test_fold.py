import pytest
import torch
from torch import nn

from xaibench.models.fold import TOLERANCE, folded
from xaibench.models.load import load_model


def norms(module):
    return sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in module.modules())


@pytest.mark.parametrize("name", ["efficientnet_lite0", "torchvision:resnet18@random"])
def test_equals_the_network_itself(name, photographs):
    classifier = load_model(name)
    module = classifier.module
    state = {k: v.clone() for k, v in module.state_dict().items()}
    count = norms(module)
    assert count > 15
    images = photographs.images[:4]
    with torch.no_grad():
        plain, quick = module(images), classifier.inference(images)
    assert norms(classifier.inference) == 0
    assert norms(module) == count
    assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())
    assert (plain - quick).abs().max() < TOLERANCE * (plain.max() - plain.min())
    assert torch.equal(plain.argmax(1), quick.argmax(1))


def test_trained_statistics_are_folded_in(photographs):
    """Random torchvision weights come with mean 0 and variance 1: draw others."""
    module = load_model("torchvision:resnet18@random").module
    generator = torch.Generator().manual_seed(1)
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.copy_(torch.randn(m.running_mean.shape, generator=generator) * 0.1)
            m.running_var.copy_(torch.rand(m.running_var.shape, generator=generator) + 0.5)
            m.weight.copy_(torch.rand(m.weight.shape, generator=generator) + 0.5)
            m.bias.copy_(torch.randn(m.bias.shape, generator=generator) * 0.1)
    images = photographs.images[:2]
    quick = folded(module, images[:1])
    assert norms(quick) == 0
    with torch.no_grad():
        plain, found = module(images), quick(images)
    assert (plain - found).abs().max() < TOLERANCE * (plain.max() - plain.min())


class Odd(nn.Module):
    """BatchNorm where it may not be folded: after a ReLU, and after a convolution used twice."""

    def __init__(self):
        super().__init__()
        self.twice, self.once = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 4, 1)
        self.after_relu, self.shared = nn.BatchNorm2d(4), nn.BatchNorm2d(3)

    def forward(self, x):
        y = self.twice(self.shared(self.twice(x)))
        return self.after_relu(self.once(y).relu()).mean((2, 3))


def test_leaves_what_cannot_be_folded():
    module = Odd().eval()
    x = torch.randn(2, 3, 8, 8)
    quick = folded(module, x[:1])
    assert norms(quick) == 2
    with torch.no_grad():
        assert torch.equal(module(x), quick(x))


class Read(nn.Module):
    """The convolution's output is read besides the BatchNorm: folding would change it."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)
        self.norm.running_var.fill_(3.0)

    def forward(self, x):
        y = self.conv(x)
        return (self.norm(y) + y).mean((2, 3))


def test_keeps_the_network_where_the_logits_would_change():
    module = Read().eval()
    assert folded(module, torch.randn(1, 3, 8, 8)) is module
