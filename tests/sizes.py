"""The photographs of the oracles' tests at half their size; `make slow` takes the whole, too.

What equals its oracle at 112 pixels does so by the code that runs at 224, at a quarter of the work.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch.nn.functional import avg_pool2d

from xaibench.types import Batch

SIZES = ["half", pytest.param("whole", marks=pytest.mark.slow)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that are slow anyway take the whole size alone."""
    if "photographs" in metafunc.fixturenames:
        slow = metafunc.definition.get_closest_marker("slow")
        sizes = ["whole"] if slow else SIZES
        metafunc.parametrize("photographs", sizes, indirect=True, scope="session")


@pytest.fixture(scope="session", name="photographs")
def resized(request: pytest.FixtureRequest, whole: Batch) -> Batch:
    if request.param == "whole":
        return whole
    return replace(whole, images=avg_pool2d(whole.images, 2))
