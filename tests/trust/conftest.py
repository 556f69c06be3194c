"""Pictures that several tests share."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from forked import RUN
from forks import Forks, forks
from helpers import noise as pictures_of_noise
from pictures import pictures
from units import COUNT, run

LONG = 6
"""Rows of a table of which all are run for every change."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of longer tables `make test` runs every third row, `make slow` the others."""
    tables: dict[tuple[Path, str], list[pytest.Item]] = {}
    for item in items:
        if Path(__file__).parent in item.path.parents:
            tables.setdefault((item.path, item.name.partition("[")[0]), []).append(item)
    for rows in tables.values():
        for place, item in enumerate(rows):
            if len(rows) > LONG and place % 3:
                item.add_marker(pytest.mark.slow)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """Seven pictures that a test may change, in blocks of five."""
    with mock.patch("xaibench.datasets.base.BLOCK", 5):
        yield pictures(tmp_path / "data")


@pytest.fixture(scope="module")
def little_to_collect() -> Iterator[None]:
    """Collecting garbage, as is done where memory runs out, passes over what was there before."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small pictures of noise."""
    return pictures_of_noise(tmp_path_factory.mktemp("pictures"), COUNT)


@pytest.fixture(scope="module")
def undisturbed(noise: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("base") / "run"
    run(noise, out)
    return out


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("forked")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Forks]:
    with forks(place / "log", *RUN, place / "run") as held:
        yield held


@pytest.fixture(scope="module")
def base(server: Forks, place: Path) -> Path:
    """A run that nothing interrupted."""
    return place / "run"
