"""One forward pass of an example under hooks: how a network calls its modules."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


def trace(module: nn.Module, example: Tensor, handles: Iterable[RemovableHandle]) -> Tensor:
    """Logits of `example` without gradients; removes the hooks, even after an exception.

    Not in inference mode, whose tensors do not count in-place changes (`_version`).
    """
    try:
        with torch.inference_mode(False), torch.no_grad():
            logits: Tensor = module(example.clone())
            return logits
    finally:
        for handle in handles:
            handle.remove()
