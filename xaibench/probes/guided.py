"""ReLUs that pass back only positive signals, whatever form the network writes them in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from xaibench.errors import XaibenchError

IN_PLACE = {F.relu_, torch.relu_, Tensor.relu_, F.hardtanh_}
RELU = {F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
BOUNDED = {F.hardtanh, F.hardtanh_}
OTHER_FORMS = {
    torch.clamp,
    torch.clamp_,
    torch.clamp_min,
    torch.clip,
    Tensor.clamp,
    Tensor.clamp_,
    Tensor.clamp_min,
    Tensor.clamp_min_,
    Tensor.clip,
    F.threshold,
    torch.threshold,
}


class _Guided(torch.autograd.Function):
    """ReLU or ReLU6 with the rule R = (0 < a < top) (R' > 0) R' (Springenberg et al. 2015)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, top: float) -> Tensor:
        ctx.save_for_backward((a > 0) & (a < top))
        return a.clamp(0, top)

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor, None]:
        (active,) = ctx.saved_tensors
        return signals[0].clamp(min=0) * active, None


class _Mode(TorchFunctionMode):
    """Replaces every ReLU and ReLU6 call, from modules or functional, in place or not."""

    def __init__(self) -> None:
        super().__init__()
        self.found = 0
        self.missed = ""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        low, high = _limits(func, args, kwargs)
        if low == 0 and high > 0:
            self.found += 1
            in_place = func in IN_PLACE or kwargs.get("inplace", False)
            return _guided(args[0] if args else kwargs["input"], float(high), in_place)
        if func in OTHER_FORMS and args and isinstance(args[0], Tensor) and args[0].requires_grad:
            self.missed = getattr(func, "__name__", str(func))
        return func(*args, **kwargs)


def _guided(a: Tensor, top: float, in_place: bool) -> Tensor:
    with torch._C.DisableTorchFunction():
        result: Tensor = _Guided.apply(a, top)
        # code that reads the tensor again, or ignores the return value, must see it rectified
        return a.copy_(result) if in_place else result


def _limits(func: Callable[..., Any], args: Any, kwargs: Any) -> tuple[float, float]:
    """The lower and upper limit of an activation; (-1, 1), hardtanh's default, for others."""
    if func in RELU:
        return 0.0, math.inf
    if func is F.relu6:
        return 0.0, 6.0
    if func not in BOUNDED:
        return -1.0, 1.0
    low = args[1] if len(args) > 1 else kwargs.get("min_val", -1.0)
    high = args[2] if len(args) > 2 else kwargs.get("max_val", 1.0)
    return low, high


@contextmanager
def guided_relus() -> Iterator[None]:
    """While open, every ReLU and ReLU6 that runs follows the guided rule; nothing is modified.

    Works for modules used several times, in-place and functional forms. Raises XaibenchError at
    the end where no ReLU ran, or where one may be written as a clamp, which is not recognised.
    """
    with _Mode() as mode:
        yield
    if mode.missed:
        raise XaibenchError(
            f"guidedbp cannot tell whether this network's '{mode.missed}' is a ReLU: "
            "write its activations as torch.nn.ReLU or ReLU6, or leave guidedbp out."
        )
    if not mode.found:
        raise XaibenchError(
            "guidedbp needs ReLU or ReLU6 activations and this network has none: leave it out."
        )
