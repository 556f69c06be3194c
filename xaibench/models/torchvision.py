"""Any torchvision classifier by name: `resnet50`, `torchvision:vgg16@IMAGENET1K_V1`."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from xaibench.errors import UsageError, XaibenchError, unknown
from xaibench.models.classifier import (
    InputSpec,
    TorchClassifier,
    file_sha256,
    freeze,
    load_into,
    state_sha256,
)
from xaibench.registry import model

DEFAULT_WEIGHTS = "IMAGENET1K_V1"


@model(schemes=("torchvision", "resnet50"))
def torchvision(name: str, weights: Path | None = None) -> TorchClassifier:
    """torchvision:NAME@WEIGHTS, weights IMAGENET1K_V1 unless named; @random draws them (seed 0)."""
    from torchvision import models

    plain = name.removeprefix("torchvision:")
    network_name, _, wanted = plain.partition("@")
    if network_name not in models.list_models(module=models):
        raise unknown("torchvision model", network_name, models.list_models(module=models))
    spec = InputSpec()
    if weights:
        network = models.get_model(network_name, weights=None)
        load_into(network, weights)
        identity, sha = f"file:{weights.name}", file_sha256(weights)
    elif wanted == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = models.get_model(network_name, weights=None)
        identity, sha = "random(seed=0)", state_sha256(network)
    else:
        network, identity, spec = _pretrained(network_name, wanted or DEFAULT_WEIGHTS)
        sha = state_sha256(network)
    return TorchClassifier(
        name=network_name,
        module=freeze(network),
        input=spec,
        layers=find_layers(network),
        weights_id=identity,
        weights_sha256=sha,
    )


def _pretrained(name: str, wanted: str) -> tuple[nn.Module, str, InputSpec]:
    """The network, its weights' name, and the input that these weights were trained for."""
    from torchvision import models

    known = models.get_model_weights(name)
    if wanted not in known.__members__:
        raise unknown(f"weights of {name}", wanted, known.__members__)
    try:
        network = models.get_model(name, weights=known[wanted])
    except Exception as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise XaibenchError(
            f"the weights {wanted} of {name} are neither cached nor to be downloaded "
            f"({type(error).__name__}): connect once, or put {known[wanted].url.split('/')[-1]} "
            f"into {folder}, or give --weights FILE."
        ) from None
    own = known[wanted].transforms()
    spec = InputSpec(own.resize_size[0], own.crop_size[0], tuple(own.mean), tuple(own.std))
    return network, wanted, spec


def find_layers(network: nn.Module) -> dict[str, str]:
    """The layers that CAM methods and IBA look at, by role, from the network's structure.

    ResNets: layer4[-1] and layer2; VGG and other networks with `features`: its last module and,
    for VGG, conv4_1. Others: the last module with a 4-D output must be named by --cam-layer.
    """
    names = [name for name, _ in network.named_modules()]
    last = getattr(network, "layer4", None)
    if isinstance(last, nn.Sequential):
        return {"cam": f"layer4.{len(last) - 1}", "iba": "layer2"}
    features = getattr(network, "features", None)
    if isinstance(features, nn.Sequential):
        layers = {"cam": f"features.{len(features) - 1}"}
        convolutions = [i for i, m in enumerate(features) if isinstance(m, nn.Conv2d)]
        pools = [i for i, m in enumerate(features) if isinstance(m, nn.MaxPool2d)]
        if len(pools) == 5 and len(convolutions) >= 8:
            layers["iba"] = f"features.{next(i for i in convolutions if i > pools[2])}"
        return layers
    if not names:
        raise UsageError("the network has no modules.")
    return {}
