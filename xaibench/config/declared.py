"""What decorators declare, as a catalog: read from the source, or from what a run imported.

The source is enough for everything but costs (`registry.entries`, no torch).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields, replace
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar

from xaibench.config.catalog import (
    DIRECTIONS,
    FAMILIES,
    MEANS,
    PASSES,
    Catalog,
    MethodDeclaration,
    MetricDeclaration,
    plain,
)
from xaibench.config.protocol import ABOUT, load_protocol
from xaibench.config.specs import key_of
from xaibench.errors import XaibenchError
from xaibench.registry import entries

if TYPE_CHECKING:
    from xaibench.config.requests import MethodRequest, MetricRequest

D = TypeVar("D", MethodDeclaration, MetricDeclaration)


def shipped() -> Catalog:
    """What the installed package and plug-ins declare, whatever a protocol says.

    A plug-in's declaration that is none is left out: a run that uses it says what is wrong.
    """
    return Catalog(_of_all("methods", _method), _of_all("metrics", _metric))


def _of_all(kind: str, declaration: Callable[[str, Mapping[str, Any]], D]) -> dict[str, D]:
    found = {}
    for key, entry in entries(kind).items():
        try:
            found[key] = declaration(key, entry.metadata)
        except Exception:
            if entry.source == "xaibench":
                raise
    return found


def of_protocol(protocol: Mapping[str, Any]) -> Catalog:
    """What is declared under the dump of a Protocol; options it leaves out have their defaults."""
    steps = protocol.get("normalization") or {}
    values = protocol.get("metrics") or {}
    known = shipped()
    methods = {
        key: replace(declared, transposed=bool((steps.get(key) or {}).get("transpose")))
        for key, declared in known.methods.items()
    }
    metrics = {}
    for key in known.metrics:
        entry = entries("metrics")[key]
        own = values.get(entry.target.partition(":")[2]) or {}
        metrics[key] = known.metrics[key].under(plain({**entry.defaults, **own}))
    published = load_protocol("published").model_dump(mode="json")
    return Catalog(methods, metrics, _values(protocol) == _values(published))


def of_run(
    methods: Iterable[MethodRequest], metrics: Iterable[MetricRequest], protocol: Mapping[str, Any]
) -> Catalog:
    """What the methods and metrics of a run declare, as imported, under its protocol.

    Raises XaibenchError for a family, direction or mean that there is none of.
    """
    found: dict[str, MethodDeclaration] = {}
    for request in methods:
        key, entry = key_of(request.spec), request.entry
        options = entry.resolve(protocol.get("methods", {}).get(entry.key, {}))
        found[key] = replace(
            _method(key, entry.metadata, options), transposed=request.on_transforms.transpose
        )
    measured: dict[str, MetricDeclaration] = {}
    for wanted in metrics:
        key, entry = key_of(wanted.spec), wanted.entry
        options = entry.resolve(protocol.get("metrics", {}).get(entry.key, {}))
        about = {**entry.metadata, **entry.metadata.get("keys", {}).get(wanted.key, {})}
        declared = _metric(key, about, options)
        measured[key] = declared.under(plain(options))
    return Catalog(found, measured)


def _method(
    key: str, about: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> MethodDeclaration:
    """The declaration of what a decorator holds; options: where its cost is asked for."""
    declared = MethodDeclaration(**{"key": key, "title": key, **_given(MethodDeclaration, about)})
    _check(f"method '{key}'", "family", declared.family, FAMILIES)
    cost = _cost(about, options)
    return replace(declared, cost=None if cost is None else asdict(cost))


def _metric(
    key: str, about: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> MetricDeclaration:
    """The same of a metric's key; what depends on its options is open."""
    by = plain(about.get("by", {}))
    cases = [case for values in by.values() for case in values.values()]
    for case in (about, *cases):
        _check(f"metric '{key}'", "direction", case.get("direction", "none"), DIRECTIONS)
        _check(f"metric '{key}'", "mean", case.get("mean", "mean"), MEANS)
    title = about.get("title", key)
    first: dict[str, Any] = {"key": key, "title": title, "short": title}
    first |= {name: "" for name in ("mean", "explains") if any(name in case for case in cases)}
    declared = MetricDeclaration(**{**first, **_given(MetricDeclaration, about), "by": by})
    cost = _cost(about, options)
    if not isinstance(cost, int | float | None):
        cost = int(cost.forwards or cost.shared or cost.explains)
    return replace(declared, binary=declared.mean == PASSES, cost=cost)


def _given(kind: type, about: Mapping[str, Any]) -> dict[str, Any]:
    """What is declared of a declaration's fields; the others are found, not declared."""
    found = {"key", "cost", "binary", "options", "transposed"}
    return {f.name: about[f.name] for f in fields(kind) if f.name in about and f.name not in found}


def _cost(about: Mapping[str, Any], options: Mapping[str, Any] | None) -> Any:
    """What an image costs, where that is declared and needs no network to know."""
    declared = about.get("cost")
    if options is None or declared is None or "channels" in signature(declared).parameters:
        return None
    try:
        return declared(**options)
    except TypeError:  # it asks for what a catalog does not know
        return None


def _check(whose: str, what: str, value: Any, known: Iterable[str]) -> None:
    if value not in (known := list(known)):
        raise XaibenchError(
            f"{whose} declares the {what} {value!r}: it has to be one of {', '.join(known)}."
        )


def _values(protocol: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in protocol.items() if k not in ABOUT}
