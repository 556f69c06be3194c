"""A network from the user's own Python file: `file:MODULE.py:FUNCTION`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xaibench.errors import UsageError, XaibenchError, reason
from xaibench.models.classifier import InputSpec, TorchClassifier, freeze
from xaibench.models.layers import find_layers
from xaibench.models.weights import drawn, file_sha256, load_into, load_state, state_sha256
from xaibench.registry import model
from xaibench.registry.files import existing, imported, no_function
from xaibench.registry.foreign import foreign

FORM = "write --model file:MODULE.py:FUNCTION"


@model(schemes=("file",))
def file(name: str, weights: Path | None = None) -> TorchClassifier:
    """file:MODULE.py:FUNCTION, your function that returns an nn.Module or a TorchClassifier."""
    location, _, function_name = name.removeprefix("file:").rpartition(":")
    if not location or not function_name:
        raise UsageError(f"model '{name}': {FORM}.")
    path = existing(location, FORM)
    title = f"file:{path.name}:{function_name}"
    classifier = _classifier(drawn(lambda: _call(_function(path, function_name), title)), title)
    if weights:
        load_into(classifier.module, load_state(weights), weights)
    source = f"{path.name} {file_sha256(path)}"
    return replace(
        classifier,
        name=title,
        weights_id=f"file:{weights.name}, {source}" if weights else source,
        weights_sha256=file_sha256(weights) if weights else state_sha256(classifier.module),
        num_classes=_classes(classifier, title),
    )


def _classifier(returned: object, title: str) -> TorchClassifier:
    if isinstance(returned, TorchClassifier):
        return returned
    if isinstance(returned, nn.Module):
        return TorchClassifier(title, returned, InputSpec(), find_layers(returned))
    raise XaibenchError(
        f"{title} returned {type(returned).__name__}: it must return an nn.Module or a "
        "TorchClassifier."
    )


def _function(path: Path, name: str) -> Callable[[], Any]:
    """The function of that name in a Python file, whose folder becomes importable."""
    module = imported(path, f"xaibench_model_{path.stem}")
    function: Callable[[], Any] | None = getattr(module, name, None)
    if not callable(function):
        raise no_function(path, name, module)
    return function


def _call(function: Callable[[], Any], title: str) -> Any:
    with foreign(f"{title} failed", "it is called without arguments"):
        return function()


def _classes(classifier: TorchClassifier, title: str) -> int:
    """K of the logits (1, K) that one blank image gives; XaibenchError where they are not that."""
    freeze(classifier.module)
    side = classifier.input.crop
    if not any(True for _ in classifier.module.parameters()):
        raise XaibenchError(f"{title} has no parameters: return a trained network.")
    try:
        with torch.no_grad():
            logits = classifier(classifier.blank())
    except Exception as error:
        raise XaibenchError(
            f"{title} cannot classify a 3x{side}x{side} image ({reason(error)}); return a "
            "TorchClassifier with another InputSpec where the input has another size."
        ) from error
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != 1:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise XaibenchError(f"{title} returned {shape} for one image: it must be logits (1, K).")
    return logits.shape[1]
