"""A network as the stages see it: logits, pixel conversion, named layers, variants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from PIL import Image
from torch import Tensor, nn

from xaibench.errors import UsageError, unknown
from xaibench.meter import passed, phase
from xaibench.models.batchnorm import with_group_statistics
from xaibench.models.evalnorm import quick_norms
from xaibench.models.inference import prepared
from xaibench.models.layers import find_cam_layer
from xaibench.models.streamed import Streamed
from xaibench.ops.rows import ENOUGH, in_rows
from xaibench.types import filled


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
        from torchvision.transforms import v2  # imports torch's compiler: half as long as torch

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
    """A torch network in evaluation mode, (B, 3, S, S) normalised -> logits (B, num_classes).

    layers: role ('cam', 'iba') -> dotted module name, as far as they are named; `roles` adds the
    CAM layer that a forward pass finds. weights_id and weights_sha256: where the weights come
    from, part of every run's identity. rows: inputs in every forward pass at the network's own
    input size (smaller batches are filled up); groups: inputs that share BatchNorm statistics; a
    pass holds whole groups (0: evaluation mode). dtype, compiled: of `inference`.
    """

    name: str
    module: nn.Module
    input: InputSpec
    layers: dict[str, str] = field(default_factory=dict)
    weights_id: str = ""
    weights_sha256: str = ""
    num_classes: int = 1000
    rows: int = ENOUGH
    groups: int = 0
    dtype: str = "float32"
    compiled: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (B, K) of normalised input (B, 3, H, W), in batches of one shape.

        With `groups`, images left over after whole groups form a smaller one.
        """
        with phase("forward"), quick_norms(images.device):
            return passed(*self._logits(images))

    def _logits(self, images: Tensor) -> tuple[Tensor, int]:
        """Logits, and how many inputs were forwarded for them."""
        rows, size = self.rows_at(images.shape[-2:]), self.groups or 1
        at_once = -(-rows // size) * size
        whole = len(images) // size * size
        forwarded = -(-whole // at_once) * at_once
        if whole == len(images):
            return in_rows(self.module, images, at_once, size), forwarded
        parts = [in_rows(self.module, images[:whole], at_once, size)] if whole else []
        rest = images[whole:]  # a smaller group comes last; whole ones before it fill up the pass
        before = max(0, -(-(rows - len(rest)) // size) * size)
        inputs = torch.cat([filled(rest[:1], before)[:before], rest]).contiguous()
        parts.append(self.module(inputs)[before:])
        return torch.cat(parts), forwarded + len(inputs)

    def rows_at(self, size: Sequence[int]) -> int:
        """Inputs in a forward pass at an input size: fewer at larger sizes, but at least ENOUGH."""
        fewer = self.rows * self.input.crop**2 // (size[0] * size[1])
        return max(min(self.rows, ENOUGH), min(self.rows, fewer))

    def in_batches(self, rows: int, size: Sequence[int]) -> TorchClassifier:
        """The same network with `rows_at(size)` = rows; under ENOUGH, threads move last bits."""
        if rows > ENOUGH:
            rows = max(rows, -(-rows * size[0] * size[1] // self.input.crop**2))
        other = replace(self, rows=rows)
        vars(other).update({k: v for k, v in vars(self).items() if k in ("inference", "roles")})
        return other

    @cached_property
    def inference(self) -> nn.Module:
        """The network for passes without gradients: see `xaibench.models.inference`."""
        parameter = next(self.module.parameters())
        side = self.input.crop
        generator = torch.Generator().manual_seed(0)
        example = torch.randn(1, 3, side, side, generator=generator)
        example = example.to(parameter.device, parameter.dtype)
        example = example.contiguous(memory_format=torch.channels_last)
        shape = (self.rows, *example.shape[1:]) if self.compiled else ()
        return prepared(self.module, example, self.dtype, shape)

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """While open, `inference` is made in a thread; an error comes to who asks for it next."""
        with ThreadPoolExecutor(1, "xaibench-prepare") as thread:
            thread.submit(lambda: self.inference)
            yield

    @cached_property
    def roles(self) -> dict[str, str]:
        """`layers`, with the CAM layer found from the network where none is named.

        The network runs once on a blank image; without a layer that gives maps there is no 'cam'.
        """
        if "cam" in self.layers:
            return self.layers
        name = find_cam_layer(self.module, self.blank())
        return self.layers | {"cam": name} if name else self.layers

    def blank(self) -> Tensor:
        """An input of zeros, the mean colour: (1, 3, S, S) on the network's device."""
        parameter = next(self.module.parameters())
        side = self.input.crop
        return torch.zeros(1, 3, side, side, device=parameter.device, dtype=parameter.dtype)

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
        name = (self.roles if role == "cam" else self.layers).get(role, role)
        names: dict[str, nn.Module] = dict(self.module.named_modules())
        if name in names:
            return names[name]
        if role == "cam" and name == role:
            raise UsageError(
                f"{self.name} has no layer with maps (channels, height, width) that its classifier "
                "reads, so CAM methods do not apply: name one with --cam-layer NAME or leave "
                "them out."
            )
        if role == "iba" and name == role:
            raise UsageError(
                f"no iba layer is known for {self.name}: name one with --method 'iba(layer=NAME)'."
            )
        raise unknown(f"layer of {self.name}", name, [n for n in names if n])

    def view(
        self, *, batchnorm_groups: int | None = None, again: bool = False, chunk: int = 0
    ) -> TorchClassifier:
        """The same weights with BatchNorm over each n consecutive inputs' own statistics.

        again: the backward pass forwards each block a second time instead of keeping it. chunk:
        no more inputs than this at a time are in the network, forwards and backwards.
        """
        if batchnorm_groups is None:
            return self
        if chunk:
            variant: nn.Module = Streamed(self.module, batchnorm_groups, chunk, self.blank())
        else:
            variant = with_group_statistics(self.module, batchnorm_groups, again)
        return replace(self, module=variant, layers=self.roles, groups=batchnorm_groups)

    def to(self, device: torch.device) -> TorchClassifier:
        """The network moved to a device, in the memory format in which convolutions run fastest."""
        moved = self.module.to(device).to(memory_format=torch.channels_last)
        return replace(self, module=moved)


def freeze(module: nn.Module) -> nn.Module:
    """Evaluation mode, no parameter gradients (methods differentiate inputs and activations)."""
    return module.eval().requires_grad_(False)
