"""One forward under hooks: without gradients, and without a trace of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from xaibench.models.trace import trace


class Sees(nn.Module):
    """Works in place on its input and remembers it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.given: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.given.append(x)
        return x.mul_(self.weight)


def test_a_copy_is_forwarded_without_gradients_even_in_inference_mode() -> None:
    module, example, outputs = Sees(), torch.ones(1, 3), []
    handle = module.register_forward_hook(lambda *call: outputs.append(call[2]))
    with torch.inference_mode():
        trace(module, example, [handle])
    assert module.given[0] is not example
    assert not outputs[0].requires_grad
    assert outputs[0]._version == 1, "what is changed in place is counted"


@pytest.mark.parametrize("fails", [False, True])
def test_hooks_are_removed(fails: bool) -> None:
    module = nn.Linear(2 if fails else 3, 1)
    handles = [module.register_forward_hook(lambda *_: None) for _ in range(2)]
    if fails:
        with pytest.raises(RuntimeError, match="shapes"):
            trace(module, torch.ones(1, 3), handles)
    else:
        trace(module, torch.ones(1, 3), handles)
    assert not module._forward_hooks
