"""Scorings of real maps that the metric tests share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers import maps_of, on, scoring
from sizes import pytest_generate_tests, resized  # noqa: F401 - a hook and a fixture

METHODS = ("gradcam", "ig", pytest.param("rise", marks=pytest.mark.slow), "fakecam")
FAMILIES = {"gradcam": "cam", "ig": "gradient", "rise": "perturbation", "fakecam": "control"}
SPECS = {"ig": "ig(steps=4, batchnorm=eval)"}
PLACES = slice(13, 17)
"""At half their size the network is neither sure of them nor lost."""


@pytest.fixture(scope="session", params=METHODS)
def real(request, context, photographs, device):
    """A scoring of four photographs with the real maps of one method."""
    batch = on(photographs.rows(PLACES.start, PLACES.stop), device)
    spec = SPECS.get(request.param, request.param)
    base = scoring(context, batch, maps_of(context, batch, spec))
    return replace(base, family=FAMILIES[request.param])


@pytest.fixture(scope="session")
def few(real):
    """The same on the first photograph alone, for slow oracles."""
    return replace(
        real,
        batch=real.batch.rows(0, 1),
        maps=real.maps[:1],
        target=real.target[:1],
        logit=real.logit[:1],
        probability=real.probability[:1],
    )
