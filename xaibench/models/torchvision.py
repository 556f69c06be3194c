"""Any torchvision classifier by name: `resnet50`, `vgg16@random`, `torchvision:NAME@WEIGHTS`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import nn

from xaibench.errors import UsageError, fold, unknown
from xaibench.models.classifier import InputSpec, TorchClassifier, freeze
from xaibench.models.layers import find_layers
from xaibench.models.weights import (
    State,
    cached,
    drawn,
    file_sha256,
    load_into,
    load_state,
    renamed,
    state_sha256,
)
from xaibench.registry import model

DEFAULT_WEIGHTS = "IMAGENET1K_V1"
RANDOM = "random"
# the weights of these two were trained on Inception's own scaling, done inside the network
SCALES_INPUT = ("googlenet", "inception_v3")
# torchvision's DenseNet files have `norm.1` where the network has `norm1`
OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")


def torchvision_names() -> list[str]:
    """Every classifier of torchvision."""
    from torchvision import models

    return list(models.list_models(module=models))


@model(schemes=("torchvision",))
def torchvision(name: str, weights: Path | None = None) -> TorchClassifier:
    """NAME or torchvision:NAME, any classifier; @WEIGHTS (IMAGENET1K_V1) or @random (seed 0)."""
    wanted_name, _, wanted = name.removeprefix("torchvision:").partition("@")
    known = {fold(n): n for n in torchvision_names()}
    if fold(wanted_name) not in known:
        raise unknown("torchvision model", wanted_name, known.values())
    network_name = known[fold(wanted_name)]
    entry = _weights_entry(network_name, wanted, bool(weights))
    if wanted == RANDOM:
        if weights:
            raise UsageError(f"{name} with --weights {weights}: drop @random or --weights.")
        network = drawn(lambda: _build(network_name))
        identity, sha = "random(seed=0)", state_sha256(network)
    else:
        what = f"{entry.name} of {network_name}"
        path = weights or cached(what, entry.url)
        network = _trained(network_name, load_state(path), path)
        local = f"file:{path.name}{f' as {entry.name}' if wanted else ''}"
        identity = local if weights else entry.name
        sha = file_sha256(path) if weights else state_sha256(network)
    return TorchClassifier(
        name=network_name,
        module=freeze(network),
        input=_input(entry),
        layers=find_layers(network),
        weights_id=identity,
        weights_sha256=sha,
        num_classes=_classes(network.state_dict()),
    )


def _weights_entry(name: str, wanted: str, local: bool) -> Any:
    """The record of some weights in torchvision: where they are and what input they were made for.

    @random and --weights without a name take the default's input.
    """
    from torchvision import models

    known = models.get_model_weights(name).__members__
    if wanted == RANDOM or not wanted:
        default = known.get(DEFAULT_WEIGHTS)
        if default is None and wanted != RANDOM and not local:
            raise UsageError(
                f"{name} has no weights {DEFAULT_WEIGHTS}: choose torchvision:{name}@"
                f"{' or @'.join(n for n in known if n != 'DEFAULT')}."
            )
        return default or known["DEFAULT"]
    folded = {fold(n): n for n in known}
    if fold(wanted) not in folded:
        raise unknown(f"weights of {name}", wanted, [*known, RANDOM])
    return known[folded[fold(wanted)]]


def _input(entry: Any) -> InputSpec:
    """The preprocessing that the weights were evaluated with."""
    own = entry.transforms()
    return InputSpec(
        own.resize_size[0],
        own.crop_size[0],
        tuple(own.mean),
        tuple(own.std),
        own.interpolation.value,
    )


def _build(name: str, **options: Any) -> nn.Module:
    from torchvision import models

    if name in SCALES_INPUT:
        options |= {"transform_input": True, "init_weights": options.get("init_weights", True)}
    network: nn.Module = models.get_model(name, weights=None, **options)
    return network


def _trained(name: str, state: State, path: Path) -> nn.Module:
    """The network with the weights of a file, and with as many classes as these have."""
    state = renamed(state, lambda key: OLD_DENSENET.sub(r"\1\2", key))
    options: dict[str, Any] = {}
    if name in SCALES_INPUT:  # some files lack the heads that only training uses
        options["init_weights"] = False
        options["aux_logits"] = any(key.lower().startswith("aux") for key in state)
    network = _build(name, **options)
    own = network.state_dict()
    head = _head(own)
    if head in state and state[head].shape[1:] == own[head].shape[1:]:
        classes = len(state[head])
        network = (
            _build(name, **options, num_classes=classes) if classes != len(own[head]) else network
        )
    load_into(network, state, path)
    return network


def _head(state: State) -> str:
    """The name of the last tensor: the classifier's bias (K,), or weight (K, C)."""
    return [key for key in state if not key.lower().startswith("aux")][-1]


def _classes(state: State) -> int:
    return len(state[_head(state)])
