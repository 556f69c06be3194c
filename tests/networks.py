"""Tiny networks with fixed weights: fast, and awkward in ways that real ones are."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xaibench.models.classifier import InputSpec, TorchClassifier, freeze
from xaibench.models.efficientnet_lite import efficientnet_lite0
from xaibench.types import Batch, Context

CLASSES = 10
TARGETS = ("ground_truth", "predicted", "least_probable")


class Fuse(nn.Module):
    """Passes its input on, or raises while the fuse is lit; copies of a network share it."""

    def __init__(self) -> None:
        super().__init__()
        self.lit = False

    def forward(self, x: Tensor) -> Tensor:
        if self.lit:
            raise RuntimeError("the network broke")
        return x

    def __deepcopy__(self, memo: object) -> Fuse:
        return self


def block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Tiny(nn.Module):
    """Four strided blocks with BatchNorm and ReLU; (B, 3, H, W) -> (B, classes)."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.stem = block(3, 6, 2)
        self.iba = block(6, 8, 2)
        self.fuse = Fuse()
        self.late = block(8, 8, 2)
        self.cam = block(8, 7, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(7, classes)

    def forward(self, images: Tensor) -> Tensor:
        features = self.cam(self.late(self.fuse(self.iba(self.stem(images)))))
        return self.head(self.pool(features).flatten(1))


def with_random_state(module: nn.Module, seed: int = 0) -> nn.Module:
    """The network with drawn weights and BatchNorm statistics, frozen."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        if not value.is_floating_point():
            continue
        drawn = torch.randn(value.shape, generator=generator)
        if name.endswith("running_var"):
            value.copy_(drawn.abs() + 0.5)
        elif value.dim() > 1:
            value.copy_(drawn * (2.0 / value[0].numel()) ** 0.5)
        else:
            value.copy_(drawn * 0.2 + (1.0 if name.endswith("weight") else 0.1))
    return freeze(module)


def as_classifier(module: nn.Module, **layers: str) -> TorchClassifier:
    return TorchClassifier(
        "tiny", module, InputSpec(crop=64), layers, "drawn", "0" * 64, num_classes=CLASSES
    )


def tiny(device: torch.device | str = "cpu", classes: int = CLASSES) -> TorchClassifier:
    """A fresh classifier around `Tiny`, layers 'cam' and 'iba'."""
    module = with_random_state(Tiny(classes)).to(device)
    found = as_classifier(module, cam="cam", iba="iba")
    return replace(found, num_classes=classes)


def thousand() -> TorchClassifier:
    """The tiny network with ImageNet's number of classes, for `--model THOUSAND`."""
    return tiny(classes=1000)


def ten() -> TorchClassifier:
    """The tiny network, for `--model TEN`."""
    return tiny()


def smaller() -> TorchClassifier:
    """The embedded network fed 96 pixels, a sixth of the work of 224, for `--model SMALLER`."""
    return replace(efficientnet_lite0("efficientnet_lite0"), input=InputSpec(resize=110, crop=96))


THOUSAND, TEN, SMALLER = (
    f"file:{Path(__file__).resolve()}:{name}" for name in ("thousand", "ten", "smaller")
)


def tiny_context(device: torch.device | str = "cpu", batch_size: int = 16) -> Context:
    return Context(tiny(device), torch.device(device), seed=0, batch_size=batch_size)


def pictures(
    classifier: TorchClassifier,
    count: int = 3,
    size: tuple[int, int] = (64, 64),
    targets: tuple[str, ...] = TARGETS,
) -> Batch:
    """Random pictures of a few smooth patches in float32, with the three targets' classes."""
    generator = torch.Generator().manual_seed(7)
    coarse = torch.randn(count, 3, 5, 5, generator=generator)
    images = F.interpolate(coarse, size, mode="bicubic") + 0.1 * torch.randn(
        count, 3, *size, generator=generator
    )
    parameter = next(classifier.module.parameters())
    images = images.to(parameter.device)
    with torch.no_grad():
        logits = copy.deepcopy(classifier.module).float()(images)
    labels = torch.arange(count, device=images.device) % CLASSES
    classes = {
        "ground_truth": labels,
        "predicted": logits.argmax(1),
        "least_probable": logits.argmin(1),
    }
    ids = tuple(f"picture{i}.png" for i in range(count))
    wanted = torch.stack([classes[name] for name in targets], 1)
    return Batch(ids, images, labels, wanted, targets, tuple(range(count)))
