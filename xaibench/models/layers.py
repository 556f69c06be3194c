"""The layers that CAM methods and IBA look at, found from a network's structure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from xaibench.models.trace import trace

MAPS, TOKENS, OTHER = "maps", "tokens", "other"


def find_layers(network: nn.Module) -> dict[str, str]:
    """Layers by role ('cam', 'iba') as far as names alone tell.

    ResNets: the last block of layer4, and layer2. VGG: conv4_1 for IBA. The CAM layer of all
    others needs a forward pass: `find_cam_layer`.
    """
    if is_sequence(network, "layer4") and is_sequence(network, "layer2"):
        return {"cam": last_of(network, "layer4"), "iba": "layer2"}
    if is_sequence(network, "features"):
        features = list(network.get_submodule("features"))  # type: ignore[call-overload]
        convolutions = [i for i, m in enumerate(features) if isinstance(m, nn.Conv2d)]
        pools = [i for i, m in enumerate(features) if isinstance(m, nn.MaxPool2d)]
        if len(pools) == 5 and len(convolutions) >= 8:
            return {"iba": f"features.{next(i for i in convolutions if i > pools[2])}"}
    return {}


def is_sequence(network: nn.Module, name: str) -> bool:
    """Whether the network has a non-empty nn.Sequential of that name."""
    child = getattr(network, name, None)
    return isinstance(child, nn.Sequential) and len(child) > 0


def last_of(network: nn.Module, name: str) -> str:
    """The dotted name of the last module of a sequence."""
    return f"{name}.{list(dict(network.get_submodule(name).named_children()))[-1]}"


def find_cam_layer(network: nn.Module, example: Tensor) -> str | None:
    """The module whose maps (1, C, h, w) the classifier reads, found by one forward pass.

    example (1, 3, S, S): a blank input. `features[-1]` where the network has that and it gives
    maps; else the last module that does. None where the classifier reads tokens instead, as in
    vision transformers: nothing after the maps may return (1, N, C) or (1, h, w, C). Modules
    used more than once cannot be hooked and are skipped. Of modules that return the same tensor
    the outermost is taken, and of several such the last.
    """
    calls = _calls(network, example)
    uses = Counter(call.name for call in calls)
    last = max((i for i, call in enumerate(calls) if call.kind == TOKENS), default=-1)
    seen = [c for c in calls[last + 1 :] if c.kind == MAPS and uses[c.name] == 1]
    if is_sequence(network, "features"):
        wanted = last_of(network, "features")
        if any(call.name == wanted for call in seen):
            return wanted
    same = [c.name for c in seen if c.tensor == seen[-1].tensor]
    return min(reversed(same), key=lambda name: name.count("."), default=None)


@dataclass(frozen=True)
class _Call:
    """One module's return: the kind of its output, and a number that the same tensor shares."""

    name: str
    kind: str
    tensor: int


def _calls(network: nn.Module, example: Tensor) -> list[_Call]:
    """Every module call of a forward pass, in the order in which they return."""
    calls: list[_Call] = []
    held: list[object] = [None]

    def note(name: str, output: object) -> None:
        number = calls[-1].tensor if calls else 0
        calls.append(_Call(name, kind(output), number + (output is not held[0])))
        held[0] = output

    def watch(name: str, module: nn.Module) -> Any:
        return module.register_forward_hook(lambda _m, _i, output: note(name, output))

    handles = [watch(name, module) for name, module in network.named_modules() if name]
    trace(network, example, handles)
    return calls


def kind(output: object) -> str:
    """What a module gives for one square image: maps, tokens (sequence or channels last), other."""
    if not isinstance(output, Tensor) or output.dim() not in (3, 4):
        return OTHER
    if output.dim() == 3:
        return TOKENS
    height, width = output.shape[2:]
    if height != width:
        return TOKENS
    return MAPS if height > 1 else OTHER
