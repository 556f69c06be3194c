"""What tests of switches share: both protocols and their differences."""

from __future__ import annotations

from xaibench.config.protocol import Protocol, load_protocol
from xaibench.config.switches import (
    Asked,
    Switch,
    asked,
    differences,
)
from xaibench.registry import entries

PUBLISHED, REFERENCE = load_protocol("published"), load_protocol("reference")


def every(kind: str) -> list[Asked]:
    """Everything registered, what `all` leaves out included."""
    return asked(kind, entries(kind))


def all_switches(before: Protocol, after: Protocol) -> list[Switch]:
    kinds = ("methods", "metrics", "transforms")
    return differences(before, after, *map(every, kinds))


def named(switches: list[Switch]) -> dict[str, Switch]:
    return {switch.name: switch for switch in switches}
