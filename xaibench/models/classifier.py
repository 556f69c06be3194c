"""A network as the stages see it: logits, pixel conversion, named layers, variants."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

from xaibench.errors import UsageError, XaibenchError, unknown
from xaibench.models.batchnorm import with_group_statistics
from xaibench.models.fold import folded


@dataclass(frozen=True)
class InputSpec:
    """What the network is fed: side in pixels after resizing and cropping, mean and std per RGB.

    interpolation: how the PIL image is resized, 'bilinear' or 'bicubic', as the weights were
    evaluated by those who published them.
    """

    resize: int = 256
    crop: int = 224
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"

    def preprocess(self, resize: str) -> Callable[[Image.Image], Tensor]:
        """A transform PIL RGB -> normalised (3, H, W) float32, a pure function of the image.

        resize: 'squash' (to a square, aspect ratio lost) or 'short_side', on the PIL image; then
        the centre crop.
        """
        side = [self.resize, self.resize] if resize == "squash" else [self.resize]
        steps: Callable[[Image.Image], Tensor] = v2.Compose(
            [
                v2.Resize(side, interpolation=v2.InterpolationMode(self.interpolation)),
                v2.CenterCrop(self.crop),
                v2.PILToTensor(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(list(self.mean), list(self.std)),
            ]
        )
        return steps


@dataclass(frozen=True)
class TorchClassifier:
    """A torch network in evaluation mode. layers: role ('cam', 'iba') -> dotted module name."""

    name: str
    module: nn.Module
    input: InputSpec
    layers: dict[str, str]
    weights_id: str
    weights_sha256: str
    num_classes: int = 1000

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (B, K) float32 of normalised input (B, 3, H, W)."""
        logits: Tensor = self.module(images)
        return logits

    @cached_property
    def inference(self) -> nn.Module:
        """The network for passes without gradients: BatchNorm folded where that is the same."""
        parameter = next(self.module.parameters())
        side = self.input.crop
        generator = torch.Generator().manual_seed(0)
        example = torch.randn(1, 3, side, side, generator=generator)
        return folded(self.module, example.to(parameter.device, parameter.dtype))

    def _channels(self, values: tuple[float, float, float], like: Tensor) -> Tensor:
        return torch.tensor(values, dtype=like.dtype, device=like.device).view(3, 1, 1)

    def to_pixels(self, images: Tensor) -> Tensor:
        """Normalised input -> [0, 1] pixels, any leading shape."""
        std, mean = self._channels(self.input.std, images), self._channels(self.input.mean, images)
        return images * std + mean

    def from_pixels(self, pixels: Tensor) -> Tensor:
        """[0, 1] pixels -> normalised input, any leading shape."""
        std, mean = self._channels(self.input.std, pixels), self._channels(self.input.mean, pixels)
        return (pixels - mean) / std

    def layer(self, role: str) -> nn.Module:
        """The module playing a role, or of that dotted name; UsageError names the nearest."""
        name = self.layers.get(role, role)
        names: dict[str, nn.Module] = dict(self.module.named_modules())
        if name not in names and role in ("cam", "iba") and role not in self.layers:
            option = "--cam-layer NAME" if role == "cam" else "--method 'iba(layer=NAME)'"
            raise UsageError(f"no {role} layer is known for {self.name}: name one with {option}.")
        if name not in names:
            raise unknown(f"layer of {self.name}", name, [n for n in names if n])
        return names[name]

    def view(self, *, batchnorm_groups: int | None = None, again: bool = False) -> TorchClassifier:
        """The same weights with BatchNorm over each n consecutive inputs' own statistics.

        again: the backward pass forwards each block a second time instead of keeping it.
        """
        if batchnorm_groups is None:
            return self
        return replace(self, module=with_group_statistics(self.module, batchnorm_groups, again))

    def to(self, device: torch.device) -> TorchClassifier:
        """The network moved to a device, in the memory format in which convolutions run fastest."""
        moved = self.module.to(device).to(memory_format=torch.channels_last)
        return replace(self, module=moved)


def freeze(module: nn.Module) -> nn.Module:
    """Evaluation mode, no parameter gradients (methods differentiate inputs and activations)."""
    return module.eval().requires_grad_(False)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_sha256(module: nn.Module) -> str:
    """SHA-256 over the names and bytes of all parameters and buffers."""
    found = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        found.update(name.encode())
        found.update(
            value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
            if value.dim()
            else str(value.item()).encode()
        )
    return found.hexdigest()


def load_state(path: Path) -> dict[str, Tensor]:
    """A state dict from a safetensors or torch file (weights_only), 'module.' prefixes removed.

    Raises XaibenchError where the file is missing or does not hold one.
    """
    if not path.is_file():
        raise XaibenchError(f"weights file {path} does not exist; check --weights.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        else:
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = type(error).__name__
        raise XaibenchError(
            f"cannot read weights from {path} ({reason}); "
            "give a state dict saved by torch.save or a .safetensors file."
        ) from None
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(v, Tensor) for v in found.values()):
        raise XaibenchError(f"{path} holds no state dict; save model.state_dict().")
    return {key.removeprefix("module."): value for key, value in found.items()}


def load_into(module: nn.Module, path: Path) -> None:
    """Load a weights file into a network; XaibenchError where names or shapes do not fit."""
    try:
        module.load_state_dict(load_state(path))
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).split("\n")]
        detail = lines[1] if len(lines) > 1 else lines[0]
        raise XaibenchError(
            f"the weights in {path} do not fit the network ({detail[:160]}); "
            "check that --model and --weights belong together."
        ) from None
