"""What tests of wrong data share: ImageNet's names and labels, and the line that is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from layouts import official

from xaibench.datasets.load import load_dataset
from xaibench.errors import XaibenchError

TRUTH = "ILSVRC2012_validation_ground_truth.txt"


FULL = [i % 1000 for i in range(50_000)]


NAMES = [official(i) for i in range(50_000)]


def message(root: Path) -> str:
    """The one line that loading a folder fails with."""
    with pytest.raises(XaibenchError) as found:
        load_dataset(str(root))
    text = str(found.value)
    assert "\n" not in text
    return text
