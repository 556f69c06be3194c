"""Convolution and ReLU in one pass over memory, for forward passes without gradients on a CPU."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from xaibench.models.fold import TOLERANCE
from xaibench.models.trace import trace

# oneDNN's convolution with an activation behind, by the type of the activation
_ATTRIBUTES: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
}


class ConvActivation(nn.Module):
    """A convolution and its activation as one oneDNN call; with gradients, one after the other."""

    def __init__(self, conv: nn.Conv2d, activation: nn.Module) -> None:
        super().__init__()
        self.conv, self.activation = conv, activation
        self.attribute, self.scalars = _ATTRIBUTES[type(activation)]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K, H', W')."""
        conv = self.conv
        if x.requires_grad:
            behind: Tensor = self.activation(conv(x))
            return behind
        settings = (conv.padding, conv.stride, conv.dilation, conv.groups)
        out: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, conv.weight, conv.bias, *settings, self.attribute, self.scalars, ""
        )
        return out


def _nonfinite_as_nan(_: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> Tensor:
    """A hook: NaN for an input with NaN or infinity.

    oneDNN's ReLU turns NaN into 0, where torch's keeps it; without this hook a broken input would
    get finite logits.
    """
    return logits + inputs[0].flatten(1).sum(1, keepdim=True) * 0


def fused(module: nn.Module, example: Tensor) -> nn.Module:
    """A copy with fused activations, or the network itself where logits would differ.

    An activation is fused if each of its inputs on `example` (1, 3, H, W) is the untouched output
    of a convolution used once. The copy is kept only if its logits on the example differ by less
    than TOLERANCE of their range (never where they are NaN).
    """
    if example.device.type != "cpu" or example.dtype != torch.float32 or not _available():
        return module
    sources, before = _sources(module, example)
    if not sources:
        return module
    copied = copy.deepcopy(module)
    for activation_name, conv_names in sources.items():
        activation = copied.get_submodule(activation_name)
        for name in conv_names:
            conv: Any = copied.get_submodule(name)
            _put(copied, name, ConvActivation(conv, activation))
        _put(copied, activation_name, nn.Identity())
    copied.register_forward_hook(_nonfinite_as_nan)
    with torch.inference_mode():
        after = copied(example)
    near = (before - after).abs().max() <= TOLERANCE * (before.max() - before.min())
    return copied if bool(near) else module


def _available() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(
        torch.ops.mkldnn, "_convolution_pointwise"
    )


def _sources(module: nn.Module, example: Tensor) -> tuple[dict[str, list[str]], Tensor]:
    """Activations that follow convolutions alone, with these, and the logits of the example."""
    outputs: dict[int, tuple[str, Tensor, int]] = {}
    uses: dict[str, int] = {}
    sources: dict[str, list[str | None]] = {}

    def after_conv(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            uses[name] = uses.get(name, 0) + 1
            outputs[id(output)] = (name, output, output._version)

        return hook

    def before_activation(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            held = outputs.get(id(inputs[0]))
            untouched = held is not None and held[2] == inputs[0]._version
            sources.setdefault(name, []).append(held[0] if held and untouched else None)

        return hook

    handles = []
    for name, child in module.named_modules():
        if isinstance(child, nn.Conv2d) and _plain(child):
            handles.append(child.register_forward_hook(after_conv(name)))
        elif type(child) in _ATTRIBUTES:
            handles.append(child.register_forward_pre_hook(before_activation(name)))
    logits = trace(module, example, handles)
    behind = {
        name: [c for c in convs if c is not None]
        for name, convs in sources.items()
        if all(c is not None and uses[c] == 1 for c in convs)
    }
    return behind, logits


def _plain(conv: nn.Conv2d) -> bool:
    own = type(conv).forward is not nn.Conv2d.forward
    return not own and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)


def _put(network: nn.Module, name: str, other: nn.Module) -> None:
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, other)
