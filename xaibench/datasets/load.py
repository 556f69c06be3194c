"""From --data to a dataset, and from places in its order to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from xaibench.datasets.base import Dataset
from xaibench.models.classifier import TorchClassifier
from xaibench.registry import get


def load_dataset(source: str) -> Dataset:
    """The dataset that --data names: `samples`, or a path."""
    found: Dataset = get("datasets", "samples" if source == "samples" else "imagefolder")(source)
    return found


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be decoded, and why."""

    image: str
    reason: str


def read_images(
    dataset: Dataset,
    places: Sequence[int],
    classifier: TorchClassifier,
    resize: str,
    workers: int,
) -> tuple[list[int], Tensor, list[Unreadable]]:
    """Decode and preprocess images on `workers` threads.

    Returns the places read, their images (n, 3, H, W) normalised, and the failures. Pillow
    releases the interpreter lock, so threads do; values do not depend on their number.
    """

    def read(place: int) -> Tensor | Unreadable:
        path: Path = dataset.path(place)
        try:
            return classifier.open(path, resize)
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).replace(str(path), path.name)}"
            return Unreadable(dataset.ids[place], reason)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        found = list(pool.map(read, places))
    good = [(p, f) for p, f in zip(places, found, strict=True) if isinstance(f, Tensor)]
    images = torch.stack([f for _, f in good]) if good else torch.empty(0, 3, 0, 0)
    return [p for p, _ in good], images, [f for f in found if isinstance(f, Unreadable)]
