"""Train-mode BatchNorm over a batch that does not fit into memory, exactly, a few inputs at a time.

The network is cut at the entries of its blocks. A part is forwarded in chunks once for each of its
BatchNorms to measure that one's mean and variance, then once more with all of them. Backwards, the
gradient with respect to these statistics is summed over all chunks, last BatchNorm first: an input
h of a BatchNorm receives dL/dmean / n + dL/dvar * 2 (h - mean) / n beside what flows through it.
Only the inputs of the parts are kept for the whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from xaibench.models.batchnorm import with_norms
from xaibench.models.chain import Part, chain, parts


class Streamed(nn.Module):
    """A copy of a network with the statistics of each `size` consecutive inputs, in chunks.

    Equal to models.batchnorm.with_group_statistics up to rounding. Weights are shared, the
    original is untouched; first derivatives only. example: an input (1, 3, H, W) that shows how
    the network calls its blocks. Raises XaibenchError for a BatchNorm that is called twice.
    """

    def __init__(self, module: nn.Module, size: int, chunk: int, example: Tensor) -> None:
        super().__init__()
        self.size, self.chunk = size, chunk
        calls = chain(module, example)
        self.network = with_norms(module, _Norm)
        self.parts = parts(self.network, calls, example)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised input (N, 3, H, W) -> logits (N, K)."""
        return torch.cat([_Gradient.apply(group, self) for group in images.split(self.size)])

    def run(self, images: Tensor) -> tuple[Tensor, list[Tensor], list[list[_Statistics]]]:
        """Logits of one group, and each part's input and statistics."""
        for norm in self.network.modules():
            if isinstance(norm, _Norm):
                norm.statistics = None
        inputs, measured, value = [], [], images
        for part in self.parts:
            inputs.append(value)
            value, statistics = _forward(part, value, self.chunk)
            measured.append(statistics)
        return value, inputs, measured

    def back(
        self, gradient: Tensor, inputs: Sequence[Tensor], measured: list[list[_Statistics]]
    ) -> Tensor:
        """The gradient with respect to a group's images, from that of its logits."""
        for s in (s for statistics in measured for s in statistics):
            s.norm.statistics = s
        for held in reversed(list(zip(self.parts, inputs, measured, strict=True))):
            part, value, statistics = held
            gradient = _backward(part, value, gradient, statistics, self.chunk)
        return gradient


@dataclass
class _Statistics:
    """One BatchNorm's mean and variance (C,) over the `count` values of a group.

    read: what the BatchNorm read last with gradients on; gradients: those for mean and variance.
    """

    norm: _Norm
    count: int
    mean: Tensor
    var: Tensor
    read: Tensor | None = None
    gradients: tuple[Tensor, Tensor] | None = None

    def merge(self, count: int, var: Tensor, mean: Tensor) -> None:
        """Add a chunk's moments, in float64 (Chan et al. 1979)."""
        total = self.count + count
        apart = mean - self.mean
        self.var = (self.var * self.count + var * count) / total
        self.var = self.var + apart.square() * (self.count * count / total**2)
        self.mean = self.mean + apart * (count / total)
        self.count = total

    def received(self) -> Tensor:
        """What the values read receive through the statistics."""
        assert self.read is not None
        assert self.gradients is not None
        h = self.read.detach()
        through_mean, through_var = (_along(g / self.count, h) for g in self.gradients)
        return torch.addcmul(through_mean, through_var, 2 * (h - _along(self.mean, h)))


class _Norm(nn.Module):
    """BatchNorm by statistics that are set from outside; raises _Unknown where there are none."""

    def __init__(self, source: _BatchNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = source.weight, source.bias, source.eps
        self.statistics: _Statistics | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(n, C, ...) -> the same shape."""
        known = self.statistics
        if known is None:
            raise _Unknown(self, x)
        known.read = x if torch.is_grad_enabled() else None
        scale = (known.var + self.eps).rsqrt()
        scale = scale if self.weight is None else scale * self.weight
        shift = -known.mean * scale
        shift = shift if self.bias is None else shift + self.bias
        return torch.addcmul(_along(shift, x), x, _along(scale, x))


class _Unknown(Exception):
    """A BatchNorm was reached whose statistics are not measured yet."""

    def __init__(self, norm: _Norm, value: Tensor) -> None:
        self.norm, self.value = norm, value


class _Gradient(torch.autograd.Function):
    """A group's logits, and their gradient with respect to its images."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, streamed: Streamed) -> Tensor:
        logits, inputs, ctx.measured = streamed.run(images)
        ctx.save_for_backward(*inputs)
        ctx.streamed = streamed
        return logits

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.streamed.back(gradient, ctx.saved_tensors, ctx.measured), None


def _along(values: Tensor, like: Tensor) -> Tensor:
    """(C,) -> (1, C, 1, ...) beside (n, C, ...)."""
    return values.view(1, -1, *[1] * (like.dim() - 2))


def _forward(part: Part, value: Tensor, chunk: int) -> tuple[Tensor, list[_Statistics]]:
    """A part's output for a whole group and the statistics of its BatchNorms, in their order."""
    measured: list[_Statistics] = []
    with torch.no_grad():
        while True:
            merged: _Statistics | None = None
            outputs = []
            for piece in value.split(chunk):
                try:
                    outputs.append(part(piece))
                except _Unknown as reached:
                    merged = _measure(merged, reached)
            if merged is None:
                return torch.cat(outputs), measured
            merged.mean, merged.var = merged.mean.to(value.dtype), merged.var.to(value.dtype)
            merged.norm.statistics = merged
            measured.append(merged)


def _measure(sofar: _Statistics | None, reached: _Unknown) -> _Statistics:
    h = reached.value
    count = h.numel() // h.shape[1]
    others = [d for d in range(h.dim()) if d != 1]
    mean = h.mean(others)
    var = (h - _along(mean, h)).square_().mean(others)  # var_mean takes six times as long on a CPU
    if sofar is None:
        return _Statistics(reached.norm, count, mean.double(), var.double())
    sofar.merge(count, var.double(), mean.double())
    return sofar


def _backward(
    part: Part, value: Tensor, gradient: Tensor, measured: list[_Statistics], chunk: int
) -> Tensor:
    """The gradient with respect to a part's input, from that of its output."""
    pieces = list(zip(value.split(chunk), gradient.split(chunk), strict=True))
    for at, s in reversed(list(enumerate(measured))):
        known = s.mean, s.var
        wanted = s.mean, s.var = s.mean.clone().requires_grad_(), s.var.clone().requires_grad_()
        for_mean, for_var = (torch.zeros_like(t, dtype=torch.float64) for t in known)
        for piece, given in pieces:
            pulled = _pull(part, piece, given, measured[at + 1 :], wanted)
            for_mean += pulled[0]
            for_var += pulled[1]
        s.mean, s.var = known
        s.gradients = for_mean.to(value.dtype), for_var.to(value.dtype)
    parts: list[Tensor] = []
    for piece, given in pieces:
        leaf = piece.detach().requires_grad_()
        parts += _pull(part, leaf, given, measured, (leaf,))
    for s in measured:
        s.gradients = s.read = None
    return torch.cat(parts)


def _pull(
    part: Part, piece: Tensor, given: Tensor, later: list[_Statistics], wanted: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Gradients for `wanted`, through the output and through the statistics of `later`."""
    with torch.enable_grad():
        ends = [(part(piece), given)]
        ends += [(s.read, s.received()) for s in later if s.read is not None]
        ends = [(value, g) for value, g in ends if value.requires_grad]
        outputs, gradients = zip(*ends, strict=True)
        return torch.autograd.grad(outputs, wanted, gradients)
