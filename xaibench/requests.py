"""What was asked for, resolved: methods and metrics with all their option values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from xaibench.config import Protocol
from xaibench.errors import unknown
from xaibench.normalize import Normalization, normalization
from xaibench.registry import Registered, entries, get
from xaibench.specs import canonical, parse


@dataclass(frozen=True)
class MethodRequest:
    """A method with its values; spec is its canonical name under the protocol."""

    spec: str
    entry: Registered
    options: Mapping[str, Any]
    normalization: Normalization


@dataclass(frozen=True)
class MetricRequest:
    """One metric key of a registered function, with its values."""

    spec: str
    key: str
    entry: Registered
    options: Mapping[str, Any]

    @property
    def needs(self) -> tuple[str, ...]:
        """What the metric asks of the stage beyond maps: 'forwards', 'explain', 'boxes'."""
        return tuple(self.entry.metadata.get("needs", ()))


def expand(kind: str, specs: Iterable[str]) -> list[str]:
    """The specs with `all` replaced by every registered key that is not opt-in."""
    found: list[str] = []
    for spec in specs:
        known = entries(kind).values()
        plain = [e.key for e in known if not e.metadata.get("opt_in")]
        found += plain if spec == "all" else [spec]
    return list(dict.fromkeys(found))


def check_names(kind: str, specs: Iterable[str]) -> None:
    """UsageError for the first unknown name; imports nothing heavy."""
    known = entries(kind)
    for spec in expand(kind, specs):
        if parse(spec)[0] not in known:
            raise unknown(kind[:-1], parse(spec)[0], known)


def resolve_methods(specs: Iterable[str], protocol: Protocol) -> list[MethodRequest]:
    """Methods by canonical spec; UsageError for unknown names, options or values."""
    found = {}
    for text in expand("methods", specs):
        name, values = parse(text)
        entry = get("methods", name)
        base = protocol.methods.get(entry.key, {})
        options = entry.resolve(base, values)
        spec = canonical(name, options, entry.resolve(base))
        steps = normalization(
            entry.metadata.get("normalization", {}), protocol.normalization.get(entry.key, {})
        )
        found[spec] = MethodRequest(spec, entry, options, steps)
    return list(found.values())


def resolve_metrics(
    specs: Iterable[str], protocol: Protocol, backend: str = "native"
) -> list[MetricRequest]:
    """Metrics by canonical spec; a key's options are those of its registered function.

    With another backend, a metric `m` becomes `<backend>_m` where that is registered.
    """
    found = {}
    for text in expand("metrics", specs):
        name, values = parse(text)
        if f"{backend}_{name}" in entries("metrics"):
            name = f"{backend}_{name}"
        entry = get("metrics", name)
        base = protocol.metrics.get(entry.key, {})
        options = entry.resolve(base, values)
        spec = canonical(name, options, entry.resolve(base))
        found[spec] = MetricRequest(spec, name, entry, options)
    return list(found.values())
