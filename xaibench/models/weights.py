"""Weights files: read, compared with a network, hashed, fetched once and kept."""

from __future__ import annotations

import hashlib
import socket
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlparse
from urllib.request import Request, urlopen

import torch
from torch import Tensor, nn

from xaibench.errors import XaibenchError

State = dict[str, Tensor]
WRAPPERS = ("state_dict", "model_state_dict", "model")
CONNECT_SECONDS, STALL_SECONDS = 4.0, 30.0


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_sha256(module: nn.Module) -> str:
    """SHA-256 over the names and bytes of all parameters and buffers."""
    hashed = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        hashed.update(name.encode())
        hashed.update(
            value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
            if value.dim()
            else str(value.item()).encode()
        )
    return hashed.hexdigest()


def load_state(path: Path) -> State:
    """A state dict from a safetensors or torch file (weights_only), 'module.' prefixes removed.

    Raises XaibenchError where the file is missing or does not hold one of finite real numbers (-inf
    may stand in a mask).
    """
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise XaibenchError(f"weights file {path} {what}; check --weights.")
    try:
        held = _read(path)
    except Exception as error:
        raise XaibenchError(
            f"cannot read weights from {path} ({type(error).__name__}); "
            "give a state dict saved by torch.save or a .safetensors file."
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(held, Mapping) and isinstance(held.get(wrapper), Mapping):
            held = held[wrapper]
    if not isinstance(held, Mapping) or not all(isinstance(v, Tensor) for v in held.values()):
        raise XaibenchError(f"{path} holds no state dict; save model.state_dict().")
    state = renamed(held, lambda key: key.removeprefix("module."))
    if len(state) < len(held):
        raise XaibenchError(f"{path} has names with and without 'module.': keep one of each.")
    for name, value in state.items():
        if value.is_complex() or (_has_numbers(value) and not bool((value < torch.inf).all())):
            raise XaibenchError(
                f"{name} in {path} holds NaN, infinity or complex numbers: give the weights of a "
                "finished training."
            )
    return state


def _has_numbers(value: Tensor) -> bool:
    return value.is_floating_point() and value.layout == torch.strided and not value.is_meta


def renamed(state: Mapping[str, Tensor], rename: Callable[[str], str]) -> State:
    """The state dict under other names, with the versions of its modules that torch keeps in it."""
    held = OrderedDict((rename(str(key)), value) for key, value in state.items())
    versions: Mapping[str, Any] = getattr(state, "_metadata", {})
    held._metadata = {rename(f"{key}.")[:-1]: v for key, v in versions.items()}  # type: ignore[attr-defined]
    return held


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    with warnings.catch_warnings():  # of what it cannot read, the error says more
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True)


def load_into(module: nn.Module, state: State, path: Path) -> None:
    """Load a state dict read from `path`; XaibenchError where names or shapes do not fit."""
    versions: Any = getattr(state, "_metadata", None)
    if versions == {}:  # safetensors keeps none, and MNASNet needs its own
        versions[""] = module.state_dict()._metadata[""]  # type: ignore[attr-defined]
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise misfit(module, state, path, error) from error


def misfit(module: nn.Module, state: State, path: Path, error: Exception) -> XaibenchError:
    """The error for weights of another network: what differs, and the first name of each."""
    own = module.state_dict()
    shapes = [k for k, v in state.items() if k in own and own[k].shape != v.shape]
    kinds = {
        "are missing": [k for k in own if k not in state],
        "are not the network's": [k for k in state if k not in own],
        "have another shape": [f"{k} {(*state[k].shape,)}" for k in shapes],
    }
    parts = [f"{len(names)} {what}, as {names[0]}" for what, names in kinds.items() if names]
    detail = "; ".join(parts) or "all are there, but: " + str(error).strip().split("\n")[0]
    return XaibenchError(
        f"the weights in {path} do not fit the network (of its {len(own)} tensors {detail}): "
        "check that --model and --weights belong together."
    )


def drawn(build: Callable[[], nn.Module]) -> nn.Module:
    """A network built with its random weights from seed 0; the global generator is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build()


def checkpoints() -> Path:
    """Where torch keeps downloaded weights; $TORCH_HOME moves it."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def cached(what: str, url: str) -> Path:
    """The file of a URL in torch's folder, downloaded if it is not there.

    Raises XaibenchError with the three remedies, after CONNECT_SECONDS without an answer, and where
    the file's SHA-256 is not the one in its name.
    """
    path = checkpoints() / Path(urlparse(url).path).name
    hashed = torch.hub.HASH_REGEX.search(path.name)
    if path.is_file():
        if hashed and not file_sha256(path).startswith(hashed.group(1)):
            raise XaibenchError(
                f"{path} is damaged or another file (its SHA-256 does not start with "
                f"{hashed.group(1)}): delete it to download it again."
            )
        return path
    try:
        with urlopen(Request(url, method="HEAD"), timeout=CONNECT_SECONDS):
            pass
        path.parent.mkdir(parents=True, exist_ok=True)
        with _stalls_end():
            torch.hub.download_url_to_file(url, str(path), hashed.group(1) if hashed else None)
    except (OSError, RuntimeError) as error:
        told = isinstance(error, URLError) and not isinstance(error, HTTPError)
        reason = getattr(error, "reason", error) if told else error
        raise absent(what, reason, path, path.name) from error
    return path


def absent(what: str, reason: object, path: Path, source: str) -> XaibenchError:
    """The error for missing weights: go online once, save them there, or name a file."""
    why = str(reason).strip().split("\n")[0].rstrip(".") or type(reason).__name__
    return XaibenchError(
        f"the weights {what} are not cached and cannot be downloaded ({why}): go online once, "
        f"or save {source} as {path}, or give --weights FILE."
    )


@contextmanager
def _stalls_end() -> Iterator[None]:
    """Downloads end after STALL_SECONDS of silence; torch sets no limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
