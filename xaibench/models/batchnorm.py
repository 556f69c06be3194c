"""Train-mode BatchNorm over stated groups of inputs, on a copy that shares the weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class GroupStatistics(nn.Module):
    """BatchNorm with the statistics of each `size` consecutive inputs, as if forwarded alone.

    Equal to nn.BatchNorm2d in train mode on every group by itself (biased variance); running
    statistics are neither read nor written. The last group may be smaller.
    """

    def __init__(self, source: _BatchNorm, size: int) -> None:
        super().__init__()
        self.weight, self.bias = source.weight, source.bias
        self.eps = source.eps
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> the same shape."""
        whole = len(x) // self.size * self.size
        parts = [self._groups(x[:whole], self.size)] if whole else []
        if whole < len(x):
            parts.append(self._groups(x[whole:], len(x) - whole))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _groups(self, x: Tensor, size: int) -> Tensor:
        groups, channels = len(x) // size, x.shape[1]
        inner = x.reshape(groups, size, channels, -1)
        variance, mean = torch.var_mean(inner, dim=(1, 3), keepdim=True, correction=0)
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight.view(1, 1, -1, 1)
        out = (inner - mean) * scale
        if self.bias is not None:
            out = out + self.bias.view(1, 1, -1, 1)
        return out.reshape(x.shape)


def with_group_statistics(module: nn.Module, size: int) -> nn.Module:
    """A copy of a network whose BatchNorm modules use group statistics; weights are shared.

    The original keeps its modules, mode and running statistics.
    """
    shared = {id(t): t for t in (*module.parameters(), *module.buffers())}
    variant = copy.deepcopy(module, memo=dict(shared))
    for name, child in list(variant.named_modules()):
        if isinstance(child, _BatchNorm):
            parent_name, _, attribute = name.rpartition(".")
            setattr(variant.get_submodule(parent_name), attribute, GroupStatistics(child, size))
    return variant
