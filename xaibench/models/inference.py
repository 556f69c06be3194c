"""A network for passes without gradients: folded, fused, in another precision, compiled."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from xaibench.errors import XaibenchError, reason
from xaibench.models.fold import folded
from xaibench.models.fuse import fused

BFLOAT16 = "bfloat16"


def prepared(
    module: nn.Module, example: Tensor, dtype: str = "float32", compiled: Sequence[int] = ()
) -> nn.Module:
    """The network with BatchNorm and ReLU merged into convolutions, float32 in and float32 out.

    Each merged only where the logits on `example` (1, 3, H, W) stay the same, judged in float32;
    ReLU only on a CPU. dtype 'bfloat16': computed in that. compiled: the input's shape for which
    torch.compile makes code; other shapes are forwarded without it.
    """
    plain = folded(module, example)
    network = fused(plain, example)
    if dtype == BFLOAT16:
        if _rounds(example.device):
            network = Rounded(copy.deepcopy(network))
        else:
            network = _cast(network, plain, example)
    return Compiled(network, compiled) if compiled else network


def why_slow(device: torch.device) -> str:
    """Why bfloat16 is slower than float32 on a device; empty where it is not."""
    if _rounds(device):
        return "this processor has no bfloat16: float32 values are rounded to it"
    cpu = torch.backends.cpu.get_cpu_capability()
    if device.type == "cpu" and "AVX512" in cpu and not torch.cpu._is_avx512_bf16_supported():
        return "this processor has no instructions for bfloat16"
    return ""


def _rounds(device: torch.device) -> bool:
    """Whether torch has no convolutions in bfloat16 here but a slow loop."""
    if device.type != "cpu":
        return False
    return not (torch.backends.mkldnn.is_available() and _supported())


def _supported() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Cast(nn.Module):
    """A network in bfloat16: inputs are cast once, logits come back in float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) float32 -> logits (B, K) float32."""
        layout = torch.channels_last
        logits: Tensor = self.network(x.to(torch.bfloat16, memory_format=layout))
        return logits.float()


def _cast(network: nn.Module, plain: nn.Module, example: Tensor) -> nn.Module:
    """The fused network in bfloat16, or the folded one where a fused call knows no bfloat16."""
    try:
        found = Cast(copy.deepcopy(network))
        with torch.inference_mode():
            found(example)
    except RuntimeError:
        found = Cast(copy.deepcopy(plain))
    return found


class Rounded(nn.Module):
    """bfloat16 on a processor that has none: each value is rounded to it, sums are in float32.

    As oneDNN computes bfloat16 where it can: products are summed in float32 and rounded once.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        for value in (*network.parameters(), *network.buffers()):
            if value.is_floating_point():
                value.data = _nearest(value.data)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) float32 -> logits (B, K), float32 with bfloat16 values."""
        with _Rounding():
            logits: Tensor = self.network(_nearest(x))
        return logits


class _Rounding(TorchFunctionMode):
    """Rounds what each function of torch returns."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        single = isinstance(found, Tensor) and found.dtype == torch.float32
        return _nearest(found) if single else found


def _nearest(value: Tensor) -> Tensor:
    return value.to(torch.bfloat16).to(value.dtype)


class Compiled(nn.Module):
    """torch.compile's code for inputs of one shape, the network itself for others.

    On a GPU its kernels are replayed as a CUDA graph, whose output the next pass overwrites: what
    is returned is a copy. Raises XaibenchError where it cannot be compiled.
    """

    def __init__(self, network: nn.Module, shape: Sequence[int]) -> None:
        super().__init__()
        self.network, self.shape = network, torch.Size(shape)
        on_gpu = next(network.parameters()).device.type == "cuda"
        mode = "reduce-overhead" if on_gpu else None
        # not a submodule: a copy of the network would be one too many in its state
        self.quick = (torch.compile(network, dynamic=False, mode=mode),)
        self.works = False

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> logits (B, K)."""
        if x.shape != self.shape or torch.is_grad_enabled():
            plain: Tensor = self.network(x)
            return plain
        try:
            if x.device.type == "cuda":
                torch.compiler.cudagraph_mark_step_begin()
            found: Tensor = self.quick[0](x).clone()
        except Exception as error:
            if self.works:
                raise
            raise XaibenchError(f"the network cannot be compiled: {reason(error)}") from error
        self.works = True
        return found
