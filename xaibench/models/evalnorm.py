"""The backward pass of BatchNorm in evaluation mode on a CPU: two products, torch's own bits.

torch also sums the gradients of weight and bias over all pixels, for parameters that want none: a
fifth of the backward pass of a network.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class _Evaluated(torch.autograd.Function):
    """torch.batch_norm by running statistics; the gradient goes to the input alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Tensor, var: Tensor, *rest: Any) -> Tensor:
        weight, bias, eps = rest
        ctx.save_for_backward(var, weight)
        ctx.eps = eps
        return torch.batch_norm(x, weight, bias, mean, var, False, 0.0, eps, False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (var, weight) = gradients, ctx.saved_tensors
        shape = (-1, *[1] * (gradient.dim() - 2))
        found = gradient * (1 / (var.double() + ctx.eps).sqrt()).to(var).view(shape)
        if weight is not None:
            found *= weight.view(shape)
        return found, None, None, None, None, None


class _Mode(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm:
            return _batch_norm(*args, **kwargs)
        return func(*args, **kwargs)


def _batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """F.batch_norm, by `_Evaluated` where only the input's gradient is wanted."""
    wanted = any(p is not None and p.requires_grad for p in (weight, bias))
    if training or wanted or running_var is None or not x.requires_grad:
        settings = (weight, bias, training, momentum, eps)
        return F.batch_norm(x, running_mean, running_var, *settings)
    found: Tensor = _Evaluated.apply(x, running_mean, running_var, weight, bias, eps)
    return found


def quick_norms(device: torch.device) -> AbstractContextManager[object]:
    """While open, BatchNorm in evaluation mode has the short backward pass, on a CPU."""
    return _Mode() if device.type == "cpu" and torch.is_grad_enabled() else nullcontext()
