"""Activations and gradients at a layer; hooks are removed even after an exception."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from xaibench.errors import XaibenchError
from xaibench.types import Classifier


@contextmanager
def replaced_output(layer: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """While open, `layer` returns change(its output). A layer used twice in one pass is refused."""
    calls = [0]

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        calls[0] += 1
        if calls[0] > 1:
            raise XaibenchError(
                f"the layer ({type(layer).__name__}) is used more than once in a forward pass: "
                "name another with --cam-layer."
            )
        return change(output)

    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def activations(classifier: Classifier, layer: str, images: Tensor) -> Tensor:
    """A layer's output (B, C, h, w) without gradients; XaibenchError where it has another shape."""
    held: list[Tensor] = []

    def keep(output: Tensor) -> Tensor:
        _check_maps(output, layer, images)
        held.append(output)
        return output.clone()  # the next module may work in place

    with torch.no_grad(), replaced_output(classifier.layer(layer), keep):
        classifier(images)
    return held[0]


def _check_maps(output: Tensor, layer: str, images: Tensor) -> None:
    """Channels last, as in Swin transformers, shows in maps of a square image that are not."""
    square = images.shape[-2] == images.shape[-1]
    maps = isinstance(output, Tensor) and output.dim() == 4
    if not maps or (square and output.shape[-2] != output.shape[-1]):
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise XaibenchError(
            f"layer '{layer}' gives {shape}, no maps (B, C, h, w): name another with --cam-layer."
        )


def activations_and_gradients(
    classifier: Classifier, layer: str, images: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """A layer's output A (B, C, h, w) and d logit / dA (B, T, C, h, w) for each target (B, T).

    One forward and T backwards, which stop at the layer. Raises XaibenchError where the layer's
    output is not (B, C, h, w) or where the logits do not depend on it.
    """
    held: list[Tensor] = []

    def keep(output: Tensor) -> Tensor:
        _check_maps(output, layer, images)
        held.append(output.detach().requires_grad_())
        return held[0].clone()  # the next module may work in place

    with torch.enable_grad(), replaced_output(classifier.layer(layer), keep):
        logits = classifier(images)
        if not held or not logits.requires_grad:
            raise XaibenchError(
                f"the logits do not depend on layer '{layer}': name another with --cam-layer."
            )
        last = targets.shape[1] - 1
        gradients = [
            torch.autograd.grad(
                logits.gather(1, targets[:, t : t + 1]).sum(), held[0], retain_graph=t < last
            )[0]
            for t in range(targets.shape[1])
        ]
    return held[0].detach(), torch.stack(gradients, 1)
