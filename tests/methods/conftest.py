"""What the method tests share: the oracles' own network, and comparisons on photographs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from few_steps import METHODS
from helpers import apart, doubled, explain, in_double, on
from sizes import pytest_generate_tests, resized  # noqa: F401 - a hook and a fixture
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
def differences(oracle_network_double):
    """Differences from an oracle as parts of the range, one a photograph, first target.

    Both sides compute in float64. In float32 a pre-activation of a ReLU6 network within rounding of
    0 or 6 counts as active on one side and not on the other, and the gradient of the whole
    receptive field moves with it: how many photographs have one, and by how much it moves them
    (seen: 2 to 6 of 20, up to 2.6e-3 of the range; with batch statistics 17), depends on how the
    processor at hand rounds, so that no number of them is a bound. Without such kinks float32 stays
    near float64: `test_float32_without_kinks_is_near`.
    """

    def measure(
        ctx: Context, batch: Batch, spec: str, oracle: Oracle, protocol: str = "reference"
    ) -> list[float]:
        first = replace(batch, targets=batch.targets[:, :1], target_names=batch.target_names[:1])
        double, parts = in_double(ctx), []
        for i in range(len(first)):
            one = doubled(first.rows(i, i + 1))
            found = explain(double, on(one, ctx.device), spec, protocol).maps[:, 0]
            slow = oracle(oracle_network_double, one.images, int(one.targets[0, 0]))
            parts.append(apart(found[0], slow))
        print(f"largest difference of {spec}: {max(parts):.1e}")
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


@pytest.fixture(params=METHODS)
def name(request: pytest.FixtureRequest) -> str:
    """Every registered method's."""
    return request.param


@pytest.fixture(params=["published", "reference"])
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param
