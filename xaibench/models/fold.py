"""BatchNorm folded into the convolution before it, for forward passes without gradients."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

from xaibench.models.batchnorm import replace_norm, tail
from xaibench.models.trace import trace

TOLERANCE = 1e-4


def folded(module: nn.Module, example: Tensor) -> nn.Module:
    """A copy of a network with folded BatchNorm, or the network itself where logits would differ.

    Pairs are found by running `example` (1, 3, H, W): a BatchNorm whose input is the unchanged
    output of a convolution, each used once. The copy is kept only if its logits on the example
    differ by less than TOLERANCE of their range.
    """
    with torch.inference_mode():
        pairs, before = _pairs(module, example)
        if not pairs:
            return module
        copied = copy.deepcopy(module)
        for conv_name, norm_name in pairs:
            _fold(copied, conv_name, norm_name)
        after = copied(example)
    near = (before - after).abs().max() <= TOLERANCE * (before.max() - before.min())
    return copied if bool(near) else module


def _pairs(module: nn.Module, example: Tensor) -> tuple[list[tuple[str, str]], Tensor]:
    """Names of convolutions and of the BatchNorms behind them, and the logits of the example."""
    outputs: dict[int, tuple[str, Tensor]] = {}
    uses: dict[str, int] = {}
    pairs: list[tuple[str, str]] = []

    def watch(name: str, child: nn.Module) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            uses[name] = uses.get(name, 0) + 1
            if isinstance(child, _BatchNorm):
                held = outputs.get(id(inputs[0]))
                if held and held[1] is inputs[0] and tail(child) is not None:
                    pairs.append((held[0], name))
            else:
                outputs[id(output)] = (name, output)

        return child.register_forward_hook(hook)

    handles = [
        watch(name, child)
        for name, child in module.named_modules()
        if isinstance(child, (nn.Conv2d, _BatchNorm))
    ]
    logits = trace(module, example, handles)
    return [(c, n) for c, n in pairs if uses[c] == 1 and uses[n] == 1], logits


def _fold(module: nn.Module, conv_name: str, norm_name: str) -> None:
    conv: Any = module.get_submodule(conv_name)
    norm: Any = module.get_submodule(norm_name)
    weight, bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    conv.weight = nn.Parameter(weight, requires_grad=False)
    conv.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
    replace_norm(module, norm_name, nn.Identity())
