"""Which differences between a run's protocol and its counterpart can move a number of the paper."""

from __future__ import annotations

from collections.abc import Iterable

from xaibench.analysis.header import PAPER_IMAGES
from xaibench.analysis.measure import Key
from xaibench.analysis.verify import Suspect
from xaibench.config.protocol import Protocol, load_protocol
from xaibench.config.reach import Cell, Counts, moves
from xaibench.config.switches import Asked, asked, asked_transforms, differences

PAPER = Counts(PAPER_IMAGES, 1_000)
"""What the paper's code had: a count of images that is the same for a short run was not for it."""


def suspects(protocol: Protocol, keys: Iterable[Key]) -> dict[Key, tuple[Suspect, ...]]:
    """By cell, every difference to the counterpart that alone can change its mean."""
    keys = list(keys)
    held: dict[str, dict[str, Asked]] = {
        "methods": _by_text(asked("methods", {key.method: None for key in keys})),
        "metrics": _by_text(asked("metrics", {key.metric: None for key in keys})),
        "transforms": _by_text(asked_transforms({key.transform: None for key in keys})),
    }
    other = load_protocol(protocol.counterpart)
    switches = differences(protocol, other, *(list(named.values()) for named in held.values()))
    words = {switch: Suspect(switch.name, switch.before, switch.after) for switch in switches}
    found = {}
    for key in keys:
        cell = Cell(
            held["methods"][key.method],
            held["metrics"][key.metric],
            key.target,
            held["transforms"][key.transform],
        )
        found[key] = tuple(words[s] for s in switches if moves(s, cell, protocol, PAPER))
    return found


def _by_text(named: Iterable[Asked]) -> dict[str, Asked]:
    return {one.text: one for one in named}
