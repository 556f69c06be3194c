"""A network cut at its blocks: the parts one after the other are the network."""

from __future__ import annotations

import pytest
import torch
from networks import with_random_state
from torch import Tensor, nn

from xaibench.models.chain import chain, parts


class Block(nn.Module):
    """Needs a number beside its input, and works in place on it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, 1, 1)

    def forward(self, x: Tensor, times: float, *, plus: float = 0.0) -> Tensor:
        return self.conv(x.mul_(times)) + plus


class Network(nn.Module):
    def __init__(self, between: bool = False) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 6)
        self.stages = nn.ModuleList([Block(), Block(), Block()])
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for number, block in enumerate(self.stages):
            x = block(x, 1.0 + number, plus=0.5 * number)
            x = x.relu() if self.between else x
        return self.head(x.mean((2, 3)))


IMAGES = torch.randn(3, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def test_blocks_with_what_else_they_are_called_with() -> None:
    calls = chain(Network(), IMAGES[:1])
    assert list(calls) == ["stages.0", "stages.1", "stages.2"]
    assert [(call.more, call.named) for call in calls.values()] == [
        ((1.0,), {"plus": 0.0}),
        ((2.0,), {"plus": 0.5}),
        ((3.0,), {"plus": 1.0}),
    ]


def test_the_parts_in_turn_are_the_network() -> None:
    network = with_random_state(Network())
    cut = parts(network, chain(network, IMAGES[:1]), IMAGES[:1])
    assert len(cut) == 1 + 3 + 1
    value, entries = IMAGES, []
    for part in cut:
        entries.append(value.clone())
        given = value
        value = part(value)
        assert torch.equal(given, entries[-1]), "no part changes its input"
    assert torch.allclose(value, network(IMAGES), atol=1e-6)
    assert all("forward" not in vars(module) for module in network.modules())


@pytest.mark.parametrize("network", [Network(between=True), nn.Sequential(nn.Flatten())])
def test_no_chain_is_one_part(network: nn.Module) -> None:
    calls = chain(network, IMAGES[:1])
    assert calls == {}
    assert parts(network, calls, IMAGES[:1]) == [network]
