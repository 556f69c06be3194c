"""A device that fails is said once; out of memory is none of that."""

from __future__ import annotations

import pytest
import torch

from xaibench.core.memory import check_device
from xaibench.errors import XaibenchError


def test_a_failed_device_ends_the_run_and_is_no_methods_fault() -> None:
    error = RuntimeError("CUDA error: device-side assert triggered")
    with pytest.raises(XaibenchError, match="computes nothing more in this process") as raised:
        check_device(error)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: out of memory"),
        torch.OutOfMemoryError("CUDA out of memory"),
        ValueError("a method's own"),
    ],
)
def test_other_errors_are_those_of_who_raised_them(error: Exception) -> None:
    check_device(error)
