"""A network as a chain of its blocks: each one's output is the next one's input, and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from xaibench.errors import XaibenchError
from xaibench.models.batchnorm import blocks
from xaibench.models.trace import trace

Part = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Call:
    """What a block is called with beside its input."""

    more: tuple[Any, ...]
    named: dict[str, Any]


def chain(module: nn.Module, example: Tensor) -> dict[str, Call]:
    """The network's blocks with their calls, in order; none where they are no chain.

    In a chain each block's output is the next one's input as it is, and nothing else reaches a
    block. Raises XaibenchError where a BatchNorm is called twice.
    """
    inner = set(blocks(module))
    names = {child: name for name, child in module.named_modules()}
    calls: dict[str, Call] = {}
    seen: list[tuple[object, int]] = []  # what enters and leaves the blocks, in turns
    times: dict[nn.Module, int] = {}

    def enter(child: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        times[child] = times.get(child, 0) + 1
        if child in inner:
            calls[names[child]] = Call(given[1:], named)
            seen.append((given[0], getattr(given[0], "_version", -1)))

    def leave(child: nn.Module, _: Any, output: Tensor) -> None:
        if child in inner:
            seen.append((output, getattr(output, "_version", -1)))

    watched = [m for m in module.modules() if m in inner or isinstance(m, _BatchNorm)]
    handles = [m.register_forward_pre_hook(enter, with_kwargs=True) for m in watched]
    handles += [m.register_forward_hook(leave) for m in watched]
    trace(module, example, handles)
    twice = [names[m] for m, n in times.items() if n > 1 and isinstance(m, _BatchNorm)]
    if twice:
        raise XaibenchError(f"BatchNorm '{twice[0]}' is called twice: it cannot be streamed.")
    joined = all(
        left is entered and version == now
        for (left, version), (entered, now) in zip(seen[1:-1:2], seen[2::2], strict=True)
    )
    alone = not any(
        isinstance(v, Tensor) for call in calls.values() for v in (*call.more, *call.named.values())
    )
    return calls if joined and alone and len(seen) == 2 * len(inner) else {}


def parts(network: nn.Module, calls: dict[str, Call], example: Tensor) -> list[Part]:
    """The network cut at these blocks: up to the first, each of them, from the last one on.

    example: an input (1, 3, H, W), with which the last part goes through what comes before it.
    """
    inner = [network.get_submodule(name) for name in calls]
    if not inner:
        return [network]

    def before(x: Tensor) -> Tensor:
        def stop(entry: Tensor, *_: Any, **__: Any) -> Tensor:
            raise _Entered(entry)

        try:
            _replaced(network, {inner[0]: stop}, x)
        except _Entered as entered:
            return entered.value
        raise AssertionError("the first block is always called")

    def one(block: nn.Module, call: Call) -> Part:
        # a block may work in place on its input
        return lambda x: block(x.clone(), *call.more, **call.named)

    def after(x: Tensor) -> Tensor:
        forwards: dict[nn.Module, Any] = {block: lambda z, *_, **__: z for block in inner}
        forwards[inner[-1]] = lambda *_, **__: x.clone()
        return _replaced(network, forwards, example)

    each = [one(b, c) for b, c in zip(inner, calls.values(), strict=True)]
    return [before, *each, after]


class _Entered(Exception):
    """The first block was reached."""

    def __init__(self, value: Tensor) -> None:
        self.value = value


def _replaced(network: nn.Module, forwards: dict[nn.Module, Any], x: Tensor) -> Tensor:
    """The network's output with other forwards in the places of some modules."""
    for module, forward in forwards.items():
        module.forward = forward
    try:
        out: Tensor = network(x)
        return out
    finally:
        for module in forwards:
            del module.forward
