"""Which numbers a difference between two protocols can move.

What an option reaches is declared with its method, metric or transform, never here by name:

only: option -> where it has any effect; one of these is enough: a metric key, a target,
    `transformed` inputs, transformed inputs of a `subset` of the data, inputs `resized` by a
    transform (one that declares `resizes`), or `option=value` of the same function.
counts: options that count images of the data set, 0 meaning all.
probability: False where a metric with forwards reads logits or maps alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xaibench.config.protocol import Protocol
from xaibench.config.switches import RESIZED, SUBSET, TRANSFORMED, UNTOUCHED, Asked, Leaf, Switch
from xaibench.registry import get


@dataclass(frozen=True)
class Cell:
    """What one mean is of."""

    method: Asked
    metric: Asked
    target: str
    transform: Asked = UNTOUCHED


@dataclass(frozen=True)
class Counts:
    """How many images the data set has, and a subset of it that transformed inputs come from.

    subset: None where these are all images in the data set's order.
    """

    dataset: int
    subset: int | None = None


def concerns(switch: Switch, method: Asked) -> bool:
    """Whether a switch belongs in the table of a method."""
    of_methods = switch.section in ("methods", "normalization", "batchnorm_groups")
    return not of_methods or switch.owner == method.owner


def moves(switch: Switch, cell: Cell, protocol: Protocol, counts: Counts) -> bool:
    """Whether a switch alone can change a cell's value, all else being as in a protocol.

    True: the value may change, but need not on the images at hand. False: it cannot change.
    """
    if switch.section == "preprocessing":
        return True
    if switch.section == "probability":
        return _reads_probabilities(cell.metric, protocol)
    if switch.section in ("normalization", "batchnorm_groups"):
        if switch.owner != cell.method.owner:
            return False
        if switch.section == "normalization":
            return switch.other_steps(cell.transform.name)
        return switch.regroups(cell.transform) and _grouped(cell.method, protocol)
    held = {"methods": cell.method, "metrics": cell.metric, "transforms": cell.transform}
    mine = held[switch.section]
    if switch.owner != mine.owner:
        return False
    values = _in_force(switch.section, mine, protocol)
    new = switch.free(mine)
    only = get(switch.section, mine.name).metadata.get("only", {})
    tags = _tags(cell, counts) | {f"{k}={v}" for k, v in (*values.items(), *new.items())}
    return any(
        (leaf.option not in only or not tags.isdisjoint(only[leaf.option]))
        and not _same_count(switch, leaf, cell, values, counts)
        for leaf in switch.leaves
        if leaf.option in new
    )


def same_maps(switch: Switch, transform: str, variation: str) -> bool:
    """Whether native maps on a variation (`none` of `none`) are those of the first protocol."""
    if switch.section == "batchnorm_groups":
        return not switch.other_group(transform, variation)
    return switch.section in ("probability", "normalization")


def _in_force(kind: str, asked_for: Asked, protocol: Protocol) -> dict[str, Any]:
    """All option values of a method, metric or transform under a protocol."""
    entry = get(kind, asked_for.name)
    return entry.resolve(getattr(protocol, kind).get(entry.key, {}), asked_for.pinned)


def _tags(cell: Cell, counts: Counts) -> set[str]:
    """What a cell is, in the words of `only`."""
    tags = {cell.metric.name, cell.target}
    if cell.transform != UNTOUCHED:
        tags.add(TRANSFORMED)
        tags |= {SUBSET} if counts.subset is not None else set()
        resizes = get("transforms", cell.transform.name).metadata.get("resizes", False)
        tags |= {RESIZED} if resizes else set()
    return tags


def _same_count(
    switch: Switch, leaf: Leaf, cell: Cell, values: Mapping[str, Any], counts: Counts
) -> bool:
    """Whether two counts of images are the same: 0 means all, and so does more than there are."""
    declared = get("methods", cell.method.name).metadata if switch.section == "methods" else {}
    if leaf.option not in declared.get("counts", ()):
        return False
    there = counts.dataset
    of = declared.get("prepared_of", lambda **_: "dataset")
    if cell.transform != UNTOUCHED and counts.subset is not None and of(**values) == "subset":
        there = counts.subset
    return bool(min(leaf.before or there, there) == min(leaf.after or there, there))


def _grouped(method: Asked, protocol: Protocol) -> bool:
    """Whether a method's maps depend on their BatchNorm group under a protocol."""
    groups = get("methods", method.name).metadata.get("groups", lambda **_: False)
    return bool(groups(**_in_force("methods", method, protocol)))


def _reads_probabilities(metric: Asked, protocol: Protocol) -> bool:
    """Whether a metric's values come from probabilities of the network."""
    declared = get("metrics", metric.name).metadata
    needs = declared.get("needs", ())
    if callable(needs):
        needs = needs(**_in_force("metrics", metric, protocol))
    return "forwards" in needs and bool(declared.get("probability", True))
