"""Guided ReLUs in every spelling, against the oracle on plain modules."""

import pytest
import torch
import torch.nn.functional as F
from helpers import apart, doubled
from networks import as_classifier, pictures, with_random_state
from oracles.guided import guided_backprop
from torch import nn

from xaibench.errors import XaibenchError
from xaibench.probes.guided import guided_relus


class Chain(nn.Module):
    """Two convolutions with an activation after each, spelled in different ways."""

    def __init__(self, spelling):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3)
        self.head = nn.Linear(6, 10)
        self.spelling = spelling
        self.relu = nn.ReLU()
        self.in_place = nn.ReLU(inplace=True)
        self.six = nn.ReLU6()
        self.six_in_place = nn.ReLU6(inplace=True)
        self.bounded = nn.Hardtanh(0, 6, inplace=True)

    def forward(self, x):
        a = self.spelling(self, self.first(x) * 4)
        b = self.spelling(self, self.second(a))
        return self.head(b.mean((2, 3)))


def _statement(_network, a):
    F.relu_(a)  # what is returned is dropped
    return a


def _method(_network, a):
    a.relu_()
    return a


def _option(_network, a):
    F.relu(a, inplace=True)
    return a


def _module_statement(network, a):
    network.in_place(a)
    return a


PLAIN = {
    "F.relu": lambda _, a: F.relu(a),
    "F.relu, by keyword": lambda _, a: F.relu(input=a),
    "F.relu in place": lambda _, a: F.relu(a, inplace=True),
    "F.relu in place, positional": lambda _, a: F.relu(a, True),
    "torch.relu": lambda _, a: torch.relu(a),
    "Tensor.relu": lambda _, a: a.relu(),
    "Tensor.relu_": lambda _, a: a.relu_(),
    "module, reused": lambda network, a: network.relu(a),
    "module in place, reused": lambda network, a: network.in_place(a),
    "module in place, result dropped": _module_statement,
    "F.relu_, result dropped": _statement,
    "Tensor.relu_, result dropped": _method,
    "F.relu in place, result dropped": _option,
}


SIX = {
    "F.relu6": lambda _, a: F.relu6(a),
    "F.relu6 in place": lambda _, a: F.relu6(a, inplace=True),
    "module": lambda network, a: network.six(a),
    "module in place": lambda network, a: network.six_in_place(a),
    "Hardtanh": lambda network, a: network.bounded(a),
    "F.hardtanh": lambda _, a: F.hardtanh(a, 0.0, 6.0),
    "F.hardtanh_": lambda _, a: F.hardtanh_(a, min_val=0.0, max_val=6.0),
}


def chain(spelling):
    """The same weights whatever the spelling, in float64."""
    return with_random_state(Chain(spelling), 3).double()


def explained(module, batch):
    """The largest guided gradient over channels (B, H, W), of the first targets' logits."""
    images = batch.images.clone().requires_grad_()
    with guided_relus():
        logits = module(images)
    chosen = logits.gather(1, batch.targets[:, :1]).sum()
    return torch.autograd.grad(chosen, images)[0].abs().amax(1)


@pytest.mark.parametrize(
    ("module_name", "spelling"),
    [("relu", s) for s in PLAIN.values()] + [("six", s) for s in SIX.values()],
    ids=[*PLAIN, *(f"6: {name}" for name in SIX)],
)
def test_every_spelling_is_guided(module_name, spelling):
    """As the oracle on the network with plain modules; the logits are the network's own."""
    modules = chain(lambda network, a: getattr(network, module_name)(a))
    ours = chain(spelling)
    batch = doubled(pictures(as_classifier(modules), 2, (24, 24), ("ground_truth",)))
    found = explained(ours, batch)
    for i in range(2):
        x, target = batch.images[i : i + 1], int(batch.targets[i, 0])
        assert apart(found[i], guided_backprop(modules, x, target)) < 1e-5
    with torch.no_grad():
        expected = ours(batch.images)
    with guided_relus():
        logits = ours(batch.images.clone().requires_grad_())
    assert torch.allclose(logits, expected)


class PreActivation(nn.Module):
    """An in-place ReLU whose input is read again: the shortcut sees the rectified tensor."""

    def __init__(self, in_place):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3, padding=1)
        self.head, self.relu = nn.Linear(6, 10), nn.ReLU(inplace=in_place)
        self.in_place = in_place

    def forward(self, x):
        a = self.first(x)
        rectified = self.relu(a)
        shortcut = a if self.in_place else rectified
        return self.head((self.second(rectified) + shortcut).mean((2, 3)))


def test_in_place_changes_what_others_read():
    in_place, plain = (with_random_state(PreActivation(k), 5).double() for k in (True, False))
    batch = doubled(pictures(as_classifier(plain), 2, (24, 24), ("ground_truth",)))
    found = explained(in_place, batch)
    for i in range(2):
        x, target = batch.images[i : i + 1], int(batch.targets[i, 0])
        assert apart(found[i], guided_backprop(plain, x, target)) < 1e-5


@pytest.mark.parametrize(
    "spelling",
    [
        lambda _, a: a.clamp(min=0),
        lambda _, a: a.clamp_(min=0),
        lambda _, a: torch.clamp(a, min=0),
        lambda _, a: torch.clamp_min(a, 0),
        lambda _, a: F.threshold(a, 0.0, 0.0),
    ],
)
def test_refuses_a_clamp_it_cannot_read(spelling):
    batch = pictures(as_classifier(chain(lambda network, a: network.relu(a)).float()), 1, (24, 24))
    with pytest.raises(XaibenchError, match=r"cannot tell .* is a ReLU.*torch\.nn\.ReLU"):
        explained(chain(spelling).float(), batch)


@pytest.mark.parametrize(
    "spelling", [lambda _, a: F.gelu(a), lambda _, a: a.sigmoid(), lambda _, a: F.hardtanh(a)]
)
def test_refuses_a_network_without_relu(spelling):
    module = chain(spelling).float()
    with pytest.raises(XaibenchError, match="this network has none: leave it out"):
        explained(module, pictures(as_classifier(module), 1, (24, 24)))


def plain(module, batch):
    images = batch.images.clone().requires_grad_()
    chosen = module(images).gather(1, batch.targets[:, :1]).sum()
    return torch.autograd.grad(chosen, images)[0].abs().amax(1)


def test_nothing_is_guided_afterwards_not_even_after_an_error():
    module = chain(PLAIN["F.relu"])
    batch = doubled(pictures(as_classifier(module), 1, (24, 24), ("ground_truth",)))
    before = plain(module, batch)
    assert apart(explained(module, batch), before) > 1e-2
    assert torch.equal(plain(module, batch), before)
    with pytest.raises(RuntimeError, match="broke"), guided_relus():
        raise RuntimeError("broke")
    assert torch.equal(plain(module, batch), before)
