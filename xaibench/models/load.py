"""From what the user typed to a classifier."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

from xaibench.config.names import scheme_of, schemes_of_models
from xaibench.errors import UsageError, fold, unknown
from xaibench.models.classifier import TorchClassifier
from xaibench.models.torchvision import torchvision_names
from xaibench.registry import Registered, get
from xaibench.registry.foreign import foreign


def load_model(
    name: str, weights: Path | None = None, cam_layer: str | None = None
) -> TorchClassifier:
    """The classifier that a model name stands for, on the CPU.

    A name without a scheme is a registered model, or else torchvision's. Raises UsageError for an
    unknown name or layer, XaibenchError for missing weights.
    """
    load = loader(name)
    with foreign(f"model '{name}' cannot be loaded", "choose another --model, or mend it"):
        classifier: TorchClassifier = load(name, weights)
    if cam_layer:
        classifier.layer(cam_layer)
        classifier = replace(classifier, layers=classifier.layers | {"cam": cam_layer})
    return classifier


def loader(name: str) -> Registered:
    """The registered function that loads a model of that name; UsageError names the nearest."""
    return get("models", _source(name))


def _source(name: str) -> str:
    schemes = schemes_of_models()
    plain = scheme_of(name)
    if plain in schemes:
        return schemes[plain]
    bare = torchvision_names()
    if ":" not in name and plain in {fold(n) for n in bare}:
        return "torchvision"
    if importlib.util.find_spec("timm") and ":" not in name:
        from xaibench.models.timm import timm_names

        if name.partition("@")[0].partition(".")[0] in timm_names():
            raise UsageError(f"unknown model '{name}': did you mean 'timm:{name}'?")
    raise unknown("model", name, [*schemes, *bare])
