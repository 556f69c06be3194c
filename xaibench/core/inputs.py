"""A network and images from memory, as the core takes them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from xaibench.datasets.decode import decode
from xaibench.datasets.load import as_input
from xaibench.datasets.pixels import Geometry
from xaibench.errors import UsageError, XaibenchError
from xaibench.models.classifier import InputSpec, TorchClassifier, freeze
from xaibench.models.layers import find_layers

Picture = Image.Image | str | Path
Pictures = Tensor | Sequence[Picture]
"""Normalised input (B, 3, H, W), or PIL images or paths."""
Transform = Callable[[Image.Image], Tensor]


@dataclass(frozen=True)
class Inputs:
    """Images (B, 3, H, W) float32 normalised, with ids and labels (B,), on the CPU."""

    ids: tuple[str, ...]
    images: Tensor
    labels: Tensor

    @property
    def labelled(self) -> bool:
        """Whether every image has a class."""
        return bool((self.labels >= 0).all())


def load_inputs(
    images: Pictures,
    labels: Any,
    ids: Sequence[str] | None,
    fed: InputSpec,
    resize: str,
    transform: Transform | None,
) -> Inputs:
    """Images with ids and labels; UsageError where shapes or numbers do not fit.

    resize: 'squash' or 'short_side', for PIL images and paths without a `transform`.
    """
    if isinstance(images, Tensor):
        batch, names = images.detach().float().cpu(), [str(i) for i in range(len(images))]
    else:
        pictures = [images] if isinstance(images, Picture) else list(images)
        parts = [_input(one, fed, resize, transform) for one in pictures]
        if len({part.shape for part in parts}) != 1:
            raise UsageError(f"{len(parts)} images of several sizes, or none: bring all to one.")
        batch, names = torch.stack(parts), _names(pictures)
    if batch.dim() != 4 or batch.shape[1] != 3 or not len(batch):
        raise UsageError(f"images of shape {tuple(batch.shape)}: give (B, 3, height, width).")
    if not bool(batch.isfinite().all()):
        raise UsageError("images hold values that are not finite.")
    count = len(batch)
    try:
        classes = torch.as_tensor([-1] * count if labels is None else np.asarray(labels))
    except TypeError:
        raise UsageError(f"labels must be {count} class indices, -1 for none.") from None
    if classes.shape != (count,) or classes.is_floating_point():
        raise UsageError(f"labels of shape {tuple(classes.shape)}: give {count} class indices.")
    chosen = tuple(map(str, names if ids is None else ids))
    if len(chosen) != count or len(set(chosen)) != count:
        raise UsageError(f"{len(set(chosen))} different ids for {count} images: give one each.")
    return Inputs(chosen, batch.contiguous(), classes.long().cpu())


def _names(pictures: Sequence[Picture]) -> list[str]:
    """File names where they tell the images apart, else paths; numbers for images in memory."""
    paths = [Path(p) if isinstance(p, str | Path) else None for p in pictures]
    names = [path.name if path else str(i) for i, path in enumerate(paths)]
    if len(set(names)) < len(names):
        names = [path.as_posix() if path else str(i) for i, path in enumerate(paths)]
    return names


def _input(picture: Picture, fed: InputSpec, resize: str, transform: Transform | None) -> Tensor:
    """One image (3, H, W) as the network is fed; XaibenchError where it cannot be read."""
    if isinstance(picture, str | Path):
        try:
            with Image.open(picture) as file:
                opened = decode(file)
        except OSError as error:
            raise XaibenchError(f"{picture} cannot be read ({error}): check the path.") from None
    elif isinstance(picture, Image.Image):
        opened = decode(picture)
    else:
        kind = type(picture).__name__
        raise UsageError(f"images hold {kind}: give a tensor (B, 3, H, W), PIL images or paths.")
    if transform is not None:
        made = transform(opened)
        if not isinstance(made, Tensor):
            raise UsageError(f"transform gave {type(made).__name__}: it must give (3, H, W).")
        return made
    geometry = Geometry(fed.resize, fed.crop, resize == "squash", fed.interpolation)
    pixels = torch.from_numpy(np.ascontiguousarray(geometry.apply(opened)))
    return as_input(pixels[None], fed.mean, fed.std)[0]


def as_classifier(
    model: nn.Module | TorchClassifier, fed: InputSpec, layers: Mapping[str, str]
) -> TorchClassifier:
    """A network as the stages see it; a module is copied, in float32, and stays as it is.

    fed: its input. layers: role ('cam', 'iba') -> dotted module name, over those found.
    """
    if isinstance(model, TorchClassifier):
        found = model
    elif isinstance(model, nn.Module):
        module = freeze(copy.deepcopy(model)).float()
        if not any(True for _ in module.parameters()):
            raise UsageError(f"{type(model).__name__} has no parameters: give a trained network.")
        found = TorchClassifier(type(model).__name__, module, fed, find_layers(module))
    else:
        raise UsageError(f"model is {type(model).__name__}: give a torch.nn.Module.")
    for name in layers.values():
        found.layer(name)
    return replace(found, layers=found.layers | dict(layers))


def fed_with(images: Tensor, fed: InputSpec) -> InputSpec:
    """The input specification of a network that takes images (B, 3, H, W) as they are."""
    side = round(math.sqrt(images.shape[-2] * images.shape[-1]))
    return replace(fed, resize=side, crop=side)
