"""From --data to a dataset, and from places in its order to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from xaibench.config.classes import Classes, read_classes
from xaibench.datasets.base import Dataset
from xaibench.datasets.blobs import Content
from xaibench.datasets.pixels import Geometry, read_pixels
from xaibench.errors import UsageError, XaibenchError
from xaibench.meter import decoded, phase
from xaibench.models.classifier import TorchClassifier
from xaibench.registry import entries, get
from xaibench.registry.foreign import foreign


def load_dataset(source: str, classes: Path | None = None) -> Dataset:
    """The dataset that --data names: a registered one, NAME or NAME:PATH, or a path.

    Layouts look at a path in their declared order; the first that recognises it reads it. classes:
    a file that says which class a folder or a label is. Raises XaibenchError with what is wrong and
    what to do.
    """
    said = None if classes is None else read_classes(classes)
    known = entries("datasets")
    name, colon, rest = source.partition(":")
    if name in known and (colon or "order" not in known[name].metadata):
        if not rest and "order" in known[name].metadata:
            raise UsageError(f"--data {source} has no path: write --data {name}:PATH.")
        layouts, source = [name], rest
    else:
        layouts = [key for key, entry in known.items() if "order" in entry.metadata]
        layouts.sort(key=lambda key: known[key].metadata["order"])
    readers = {key: get("datasets", key) for key in layouts}
    for key, reader in readers.items():
        with foreign(f"dataset '{key}' failed on '{source}'", "check --data, or mend it"):
            of_folders = said is not None and "classes" in reader.metadata
            dataset = reader(source, said) if of_folders else reader(source)
        if isinstance(dataset, Dataset):
            return dataset if said is None or of_folders else _relabelled(dataset, said)
    raise XaibenchError(f"dataset '{name}' finds nothing of its own in '{rest}'; check --data.")


def _relabelled(dataset: Dataset, classes: Classes) -> Dataset:
    """A dataset whose labels a file gives other classes; names alone change nothing."""
    if not classes.folders or not dataset.labelled:
        return dataset
    known = {label: classes.label(str(label)) for label in sorted(set(dataset.labels))}
    for label, index in known.items():
        if index is None:
            raise classes.unlabelled(str(label))
    return replace(dataset, labels=tuple(known[label] or 0 for label in dataset.labels))


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be decoded, and why."""

    image: str
    reason: str


class Decoded(NamedTuple):
    """The places read, their images (n, 3, H, W) normalised, or 8-bit, and the failures.

    contents: what each image's bytes were, by id, also of those that could not be decoded.
    """

    places: list[int]
    images: Tensor
    failures: list[Unreadable]
    contents: dict[str, Content]


def read_images(
    dataset: Dataset,
    places: Sequence[int],
    classifier: TorchClassifier,
    resize: str,
    workers: int,
    raw: bool = False,
) -> Decoded:
    """Decode and preprocess images on `workers` processes (0: here); raw: to 8-bit pixels alone.

    The images have the bits of `InputSpec.preprocess`, whatever the number of workers; these
    return 8-bit pixels in shared memory.
    """
    spec = classifier.input
    geometry = Geometry(spec.resize, spec.crop, resize == "squash", spec.interpolation)
    with phase("decode"):
        pixels, seen = read_pixels([dataset.blob(place) for place in places], geometry, workers)
    good = [i for i, one in enumerate(seen) if one.reason is None]
    decoded(len(good))
    failed = [
        Unreadable(dataset.ids[place], one.reason)
        for place, one in zip(places, seen, strict=True)
        if one.reason is not None
    ]
    contents = {dataset.ids[place]: one.content for place, one in zip(places, seen, strict=True)}
    if not good:
        return Decoded([], torch.empty(0, 3, 0, 0), failed, contents)
    kept = torch.from_numpy(pixels[good] if failed else pixels)
    images = kept.clone() if raw else as_input(kept, spec.mean, spec.std)  # workers share `kept`
    return Decoded([places[i] for i in good], images, failed, contents)


def as_input(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """8-bit pixels (n, 3, H, W) as normalised float32, to the bit as torchvision has them."""
    shift, scale = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))
    return pixels.to(torch.float32).mul_(1 / 255).sub_(shift).div_(scale)
