"""Classifiers of timm (PyTorch Image Models): `timm:NAME`, `timm:NAME.TAG`, `timm:NAME@random`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from torch import nn

from xaibench.errors import UsageError, XaibenchError, unknown
from xaibench.models.classifier import InputSpec, TorchClassifier, freeze
from xaibench.models.layers import find_layers
from xaibench.models.weights import (
    CONNECT_SECONDS,
    State,
    absent,
    cached,
    checkpoints,
    drawn,
    file_sha256,
    load_state,
    misfit,
    state_sha256,
)
from xaibench.registry import model

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
# the heads of CLIP image encoders, projections into an embedding, have at most so many outputs
LARGEST_EMBEDDING = 1280


def timm_names() -> list[str]:
    """Every architecture of timm."""
    import timm as library

    return list(library.list_models())


@model(schemes=("timm",))
def timm(name: str, weights: Path | None = None) -> TorchClassifier:
    """timm:NAME or timm:NAME.TAG, classifiers of timm; @random draws weights (extra `timm`)."""
    try:
        import timm as library
    except ImportError as error:
        raise XaibenchError(
            f"{name} needs the package '{error.name}': pip install 'xaibench[timm]'."
        ) from None
    wanted, at, how = name.removeprefix("timm:").partition("@")
    architecture, _, tag = wanted.partition(".")
    if architecture not in timm_names():
        raise unknown("timm model", architecture, timm_names())
    tags = [n.partition(".")[2] for n in library.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise unknown(f"weights of timm:{architecture}", tag, tags)
    if at and how != "random":
        raise UsageError(f"unknown weights '@{how}': write timm:{architecture}.TAG, or @random.")
    if at and weights:
        raise UsageError(f"{name} with --weights {weights}: drop @random or --weights.")
    config = _config(wanted)
    _check(name, config)
    if at:
        network = drawn(lambda: library.create_model(wanted))
        identity, sha = "random(seed=0)", state_sha256(network)
    else:
        if not (tags or weights):
            raise XaibenchError(f"timm has no weights of {wanted}: add @random or --weights FILE.")
        full = f"{architecture}.{config.get('tag', '')}"
        path = weights or _file(full, config)
        network = _trained(wanted, config, load_state(path), path)
        identity = f"file:{path.name} as {full}" if weights else full
        sha = file_sha256(path) if weights else state_sha256(network)
    return TorchClassifier(
        name=f"timm:{architecture}",
        module=freeze(network),
        input=_input(name, config),
        layers=find_layers(network),
        weights_id=identity,
        weights_sha256=sha,
        num_classes=int(network.num_classes),  # type: ignore[arg-type]
    )


def _config(wanted: str) -> dict[str, Any]:
    """What timm knows of some weights, by default those that it prefers."""
    import timm as library

    config = library.get_pretrained_cfg(wanted)
    if config is None:
        raise XaibenchError(f"timm has no configuration of {wanted}: choose another model.")
    return dict(config.to_dict())


def _check(name: str, config: dict[str, Any]) -> None:
    """UsageError for encoders: networks without classes, and CLIP's, which put out embeddings."""
    outputs = config["num_classes"]
    if outputs != 1000 and outputs <= LARGEST_EMBEDDING:
        what = f"an embedding of {outputs} values" if outputs else "features"
        raise UsageError(
            f"{name} puts out {what}, not classes: choose weights tuned to classify, such as a "
            "tag that ends in in1k."
        )


def _input(name: str, config: dict[str, Any]) -> InputSpec:
    """The data configuration that timm has for it; UsageError for inputs that are not 3xNxN."""
    from timm.data import resolve_data_config

    data = resolve_data_config(pretrained_cfg=config)
    channels, height, width = data["input_size"]
    if channels != 3 or height != width:
        raise UsageError(f"{name} takes {channels}x{height}x{width} inputs: only 3xNxN here.")
    resize = math.floor(height / data["crop_pct"])
    mean, std = tuple(data["mean"]), tuple(data["std"])
    return InputSpec(resize, height, mean, std, data["interpolation"])


def _trained(name: str, config: dict[str, Any], state: State, path: Path) -> nn.Module:
    """The network with some weights, renamed where timm knows their older names.

    It has as many classes as the weights.
    """
    import timm as library

    classes = config["num_classes"]
    heads = config.get("classifier")
    head = f"{heads if isinstance(heads, str) or not heads else heads[0]}.weight"
    if head in state:
        classes = len(state[head])
    overlay = {"state_dict": dict(state), "custom_load": False, "num_classes": classes}
    try:
        network: nn.Module = library.create_model(
            name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=classes
        )
    except Exception as error:
        plain = library.create_model(name, num_classes=classes)
        raise misfit(plain, state, path, error) from error
    return network


def _file(full: str, config: dict[str, Any]) -> Path:
    """The weights file of NAME.TAG: torch's folder, the hub's cache, or the hub itself."""
    beside = checkpoints() / f"{full}.safetensors"
    if beside.is_file():
        return beside
    hub = config.get("hf_hub_id")
    if not hub:
        return cached(full, config["url"])
    from huggingface_hub import get_session, hf_hub_download, hf_hub_url, try_to_load_from_cache

    for name in HUB_FILES:
        held = try_to_load_from_cache(hub, name)
        if isinstance(held, str):
            return Path(held)
    try:  # the hub's client tries for a minute where there is no network
        get_session().head(hf_hub_url(hub, HUB_FILES[0]), timeout=CONNECT_SECONDS)
        return _downloaded(hub, hf_hub_download)
    except Exception as error:
        source = f"{HUB_FILES[0]} of the hub's {hub}"
        raise absent(full, error, beside, source) from error


def _downloaded(hub: str, download: Any) -> Path:
    """The first of the hub's files that exists."""
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(download(hub, HUB_FILES[0]))
    except EntryNotFoundError:
        return Path(download(hub, HUB_FILES[1]))
