import torch
from torch import nn

from xaibench.ops.memory import free_bytes, saved_bytes


def test_counts_what_a_backward_pass_keeps():
    """A product keeps both factors, a square one; weights are not counted."""
    x, weight = torch.ones(10, 4), torch.ones(10, 4, requires_grad=True)
    kept = x.numel() * 4
    assert saved_bytes(lambda t: t * weight, x) == 2 * kept
    assert saved_bytes(lambda t: t * weight, x, [weight]) == kept
    assert saved_bytes(lambda t: t * t, x) == kept
    assert saved_bytes(lambda t: t + 1, x) == 0


def test_grows_with_the_inputs_and_holds_nothing_afterwards():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    one, four = (
        saved_bytes(module, torch.zeros(n, 3, 16, 16), module.parameters()) for n in (1, 4)
    )
    assert one > 0
    assert four == 4 * one
    assert all(p.grad is None for p in module.parameters())


def test_there_is_memory():
    assert 0 < free_bytes() < 1 << 60
