"""Train-mode BatchNorm over stated groups of inputs, on a copy that shares the weights."""

from __future__ import annotations

import copy
import functools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from xaibench.errors import XaibenchError


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
        """All groups in one fused call: a group's channels become channels of their own.

        The tensors have three dimensions, for which there is one memory format. With four, torch's
        backward pass mistakes the format of (1, C, H, W) views, and sums channels-last rows in
        an order that depends on the number of threads.
        """
        groups, channels = len(x) // size, x.shape[1]
        inner = x.reshape(groups, size, channels, -1).transpose(0, 1)
        inner = inner.reshape(size, groups * channels, -1).contiguous()
        weight, bias = (None if t is None else t.repeat(groups) for t in (self.weight, self.bias))
        # torch.batch_norm, since F.batch_norm refuses a single value, whose output is the bias
        out = torch.batch_norm(
            inner, weight, bias, None, None, True, 0.0, self.eps, torch.backends.cudnn.enabled
        )
        return out.reshape(size, groups, channels, -1).transpose(0, 1).reshape(x.shape)


def with_group_statistics(module: nn.Module, size: int, again: bool = False) -> nn.Module:
    """A copy of a network whose BatchNorm modules use group statistics; weights are shared.

    The original keeps its modules, mode and running statistics. again: keep only the inputs
    of the network's blocks for the backward pass and forward each block again there, so that a
    large group's gradient fits into memory.
    """
    variant = with_norms(module, lambda norm: GroupStatistics(norm, size))
    for block in blocks(variant) if again else ():
        block.forward = functools.partial(_again_in_backward, block.forward)
    return variant


def with_norms(module: nn.Module, other: Callable[[_BatchNorm], nn.Module]) -> nn.Module:
    """A copy of a network that shares its weights, with other(norm) for each BatchNorm."""
    shared = {id(t): t for t in (*module.parameters(), *module.buffers())}
    variant = copy.deepcopy(module, memo=dict(shared))
    for name, child in list(variant.named_modules()):
        if isinstance(child, _BatchNorm):
            replace_norm(variant, name, other(child))
    return variant


def blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The outermost repeated parts of a network: children of lists that are no single layers."""
    lists = (nn.Sequential, nn.ModuleList)
    for child in module.children():
        compound = not isinstance(child, lists) and next(child.children(), None) is not None
        if isinstance(module, lists) and compound:
            yield child
        else:
            yield from blocks(child)


def _again_in_backward(
    forward: Callable[..., Tensor], x: Tensor, *more: Any, **named: Any
) -> Tensor:
    def run(x: Tensor, *more: Any, **named: Any) -> Tensor:
        return forward(x.clone(), *more, **named)  # a block may work in place on its input

    out: Tensor = checkpoint(run, x, *more, use_reentrant=False, preserve_rng_state=False, **named)
    return out


def tail(norm: _BatchNorm) -> dict[str, nn.Module] | None:
    """The modules that a BatchNorm applies after normalising; None where its forward is unknown.

    timm's BatchNormAct2d ends with its modules `drop` and `act`; torch's own have no tail.
    """
    if type(norm).forward in (_BatchNorm.forward, nn.SyncBatchNorm.forward):
        return {}
    parts = {name: part for name, part in norm.named_children() if name in ("drop", "act")}
    return parts if "act" in parts else None


def replace_norm(network: nn.Module, name: str, other: nn.Module) -> None:
    """Replace a BatchNorm by another module, followed by its tail under the same names.

    Raises XaibenchError where the tail is unknown.
    """
    norm = network.get_submodule(name)
    behind = tail(norm) if isinstance(norm, _BatchNorm) else {}
    if behind is None:
        raise XaibenchError(
            f"'{name}' is a BatchNorm with a forward of its own ({type(norm).__name__}), "
            "which train-mode statistics cannot replace: use --protocol reference."
        )
    parent, _, attribute = name.rpartition(".")
    whole = nn.Sequential(OrderedDict(norm=other, **behind)) if behind else other
    setattr(network.get_submodule(parent), attribute, whole)
