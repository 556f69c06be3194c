"""What the tests of changed and unreadable images share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from pictures import pictures


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """Seven pictures that a test may change, in blocks of five."""
    with mock.patch("xaibench.datasets.base.BLOCK", 5):
        yield pictures(tmp_path / "data")
