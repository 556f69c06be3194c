"""What the method tests share: the oracles' own network, and comparisons on photographs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from helpers import apart, doubled, explain, in_double, on
from torch import Tensor, nn

from xaibench.models.load import load_model
from xaibench.types import Batch, Context

Oracle = Callable[[nn.Module, Tensor, int], object]


@pytest.fixture(scope="session")
def oracle_network() -> nn.Module:
    """The embedded network on the CPU, as the oracles use it; ours is another object."""
    return load_model("efficientnet_lite0").module


@pytest.fixture(scope="session")
def quick_network(oracle_network: nn.Module) -> nn.Module:
    """The same for oracles that forward an image at a time: a fifth faster in this layout."""
    return copy.deepcopy(oracle_network).to(memory_format=torch.channels_last)


@pytest.fixture(scope="session")
def oracle_network_double(oracle_network: nn.Module) -> nn.Module:
    return copy.deepcopy(oracle_network).double()


@pytest.fixture(scope="session")
def differences(oracle_network, oracle_network_double):
    """Differences from an oracle as parts of the range, one a photograph, first target.

    Both sides compute in float32. In a ReLU6 network a pre-activation within rounding of 0 or 6
    counts as active on one side and not on the other (seen: 2 of 20 photographs, up to 2.6e-3
    of the range for the gradient; the other 18 below 1.5e-6; all below 1e-14 in float64), so
    photographs beyond 1e-5, at most 5 of them, are computed again by both in float64. With
    batch statistics 17 of 20 are beyond: `exact` has all of them in float64 at once.
    """

    def measure(
        ctx: Context,
        batch: Batch,
        spec: str,
        oracle: Oracle,
        protocol: str = "reference",
        exact: bool = False,
    ) -> list[float]:
        first = replace(batch, targets=batch.targets[:, :1], target_names=batch.target_names[:1])
        again = list(range(len(first)))
        parts = [1.0] * len(first)
        if not exact:
            found = explain(ctx, on(first, ctx.device), spec, protocol).maps[:, 0]
            for i, target in enumerate(first.targets[:, 0]):
                slow = oracle(oracle_network, first.images[i : i + 1], int(target))
                parts[i] = apart(found[i], slow)
            again = [i for i, part in enumerate(parts) if part >= 1e-5]
            assert len(again) <= 5, parts
        double = in_double(ctx) if again else ctx
        for i in again:
            one = doubled(first.rows(i, i + 1))
            found = explain(double, on(one, ctx.device), spec, protocol).maps[:, 0]
            slow = oracle(oracle_network_double, one.images, int(one.targets[0, 0]))
            parts[i] = apart(found[0], slow)
        print(f"largest difference of {spec}: {max(parts):.1e} ({len(again)} in float64)")
        return parts

    return measure


@pytest.fixture(scope="session")
def three_targets(oracle_network: nn.Module, photographs: Batch) -> Batch:
    """The photographs with ground truth, predicted and least probable class."""
    with torch.no_grad():
        logits = oracle_network(photographs.images)
    classes = torch.stack([photographs.labels, logits.argmax(1), logits.argmin(1)], 1)
    names = ("ground_truth", "predicted", "least_probable")
    return replace(photographs, targets=classes, target_names=names)
