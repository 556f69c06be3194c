"""From what the user typed to a classifier."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from xaibench.errors import fold, unknown
from xaibench.models.classifier import TorchClassifier
from xaibench.registry import entries, get


def load_model(
    name: str, weights: Path | None = None, cam_layer: str | None = None
) -> TorchClassifier:
    """The classifier that a model name stands for, on the CPU.

    Raises UsageError for an unknown name or layer, XaibenchError for missing weights.
    """
    scheme = fold(name.partition(":")[0].partition("@")[0])
    known = {
        s: key
        for key, entry in entries("models").items()
        for s in entry.metadata.get("schemes", (key,))
    }
    if scheme not in known:
        raise unknown("model", name, [*known, "torchvision:NAME@WEIGHTS"])
    classifier: TorchClassifier = get("models", known[scheme])(name, weights)
    if cam_layer:
        classifier.layer(cam_layer)
        classifier = replace(classifier, layers=classifier.layers | {"cam": cam_layer})
    return classifier
