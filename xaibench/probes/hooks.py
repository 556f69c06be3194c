"""Activations and gradients at a layer; hooks are removed even after an exception."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from xaibench.errors import XaibenchError
from xaibench.meter import passed, phase
from xaibench.ops.rows import in_rows
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

    def of(part: Tensor) -> Tensor:
        held: list[Tensor] = []

        def keep(output: Tensor) -> Tensor:
            _check_maps(output, layer, images)
            held.append(output)
            return output.clone()  # the next module may work in place

        with replaced_output(classifier.layer(layer), keep):
            classifier(part)
        return held[0][: len(part)]

    rows = classifier.rows_at(images.shape[-2:])  # the hook holds the output of one pass
    with torch.no_grad():
        return torch.cat([of(part) for part in images.split(rows)])


def _check_maps(output: Tensor, layer: str, images: Tensor) -> None:
    """XaibenchError unless the output is maps; those with channels last (Swin) look not square."""
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
    rows = classifier.rows_at(images.shape[-2:])  # the hook holds the output of one pass
    parts = zip(images.split(rows), targets.split(rows), strict=True)
    outputs, gradients = zip(*(_of_one_pass(classifier, layer, *p) for p in parts), strict=True)
    return torch.cat(outputs), torch.cat(gradients)


def _of_one_pass(
    classifier: Classifier, layer: str, images: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
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
            )[0][: len(images)]
            for t in range(targets.shape[1])
        ]
    return held[0].detach()[: len(images)], torch.stack(gradients, 1)


def logits_behind(classifier: Classifier, layer: str, image: Tensor, output: Tensor) -> Tensor:
    """Logits (n, K) where `layer` gives `output` (n, C, h, w), in passes of full rows.

    image (1, 3, H, W): any input; the logits do not depend on it where all that they read goes
    through the layer. Gradients with respect to `output` flow where they are enabled.
    """

    def behind(rows: Tensor) -> Tensor:
        with replaced_output(classifier.layer(layer), lambda _: rows):
            logits: Tensor = classifier.module(image)
        return logits

    rows = classifier.rows_at(image.shape[-2:])
    with phase("forward"):
        return passed(in_rows(behind, output, rows), -(-len(output) // rows) * rows)
