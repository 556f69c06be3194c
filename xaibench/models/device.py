"""The device that a run works on."""

from __future__ import annotations

import torch

from xaibench.errors import UsageError, XaibenchError

AUTO_BATCH = {"cpu": 16, "cuda": 128}


def resolve_device(name: str) -> torch.device:
    """The torch device for --device; UsageError for an unknown one, XaibenchError if absent."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"device '{name}': give auto, cpu, cuda or cuda:N.") from None
    if device.type not in AUTO_BATCH or (device.type == "cpu" and device.index):
        raise UsageError(f"device '{name}': give auto, cpu, cuda or cuda:N.")
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise XaibenchError(f"device '{name}': {count} CUDA devices here; use --device cpu.")
    return device


def exact_arithmetic(device: torch.device) -> None:
    """Make this process compute in full float32 and the same way each time on a device.

    TF32 keeps 10 bits of a mantissa: maps and rankings are float32.
    """
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
        if device.index is not None:
            torch.cuda.set_device(device)  # streams and events are those of the current one


def device_name(device: torch.device) -> str:
    """A device in words, for the manifest."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)"
