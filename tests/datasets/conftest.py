"""Photographs to build trees of."""

from __future__ import annotations

from pathlib import Path

import pytest
from layouts import Photo

from xaibench.datasets.load import load_dataset
from xaibench.published import imagenet_wnids


@pytest.fixture(scope="session")
def photos() -> list[Photo]:
    """The 20 embedded photographs, encoded, with their classes."""
    dataset = load_dataset("samples")
    return [Photo(dataset.open(i).read(), dataset.labels[i]) for i in range(len(dataset))]


@pytest.fixture(scope="session")
def hundred(sample_folder: Path) -> list[Photo]:
    """The hundred photographs that are not part of the project, with their classes."""
    wnids = imagenet_wnids()
    paths = sorted(sample_folder.rglob("*.JPEG"))
    return [Photo(p.read_bytes(), wnids.index(p.parent.name)) for p in paths]
