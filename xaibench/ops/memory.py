"""How much memory a backward pass keeps, and how much is free."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import psutil
import torch
from torch import Tensor


def saved_bytes(
    forward: Callable[[Tensor], Tensor], inputs: Tensor, weights: Iterable[Tensor] = ()
) -> int:
    """Bytes that autograd keeps for the backward pass of `forward(inputs)` beside the weights."""
    own = {w.untyped_storage().data_ptr() for w in weights}
    held: dict[int, int] = {}

    def pack(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda v: v):
        out = forward(inputs.detach().requires_grad_())  # alive until all are counted
        total = sum(held.values())
        del out
    return total


def free_bytes() -> int:
    """Main memory that a process can still have without swapping."""
    return int(psutil.virtual_memory().available)
