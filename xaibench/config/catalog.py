"""What methods and metrics say about themselves, as plain data that travels with a run.

A declaration is what a decorator holds, without code: read from the source (`registry.entries`, no
torch) or from what a run imported, and completed by the options that a protocol gives. What an
option decides is declared with the metric under `by`: `{option: {value: {field: what it is}}}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar

from xaibench.config.protocol import load_protocol
from xaibench.config.specs import parse
from xaibench.errors import XaibenchError
from xaibench.registry import entries

if TYPE_CHECKING:
    from xaibench.config.requests import MethodRequest, MetricRequest

FAMILIES = {
    "control": "Control",
    "gradient": "Gradient based",
    "cam": "CAM based",
    "perturbation": "Perturbation based",
    "other": "Other methods",
}
"""The families a method can declare, in the order and with the headings of the tables."""

DIRECTIONS = ("higher", "lower", "none")

PASSES, RESIDUAL = "share of passes", "mean residual"
MEANS = {"mean": "a value", PASSES: "a verdict", RESIDUAL: "a residual"}
"""What a metric's mean can be, and what it is a mean of; of `PASSES` every row is 0 or 1."""

OWN, STAND_IN = "method", "gradient_stand_in"
"""Whose explanation a metric takes that explains other inputs."""


@dataclass(frozen=True)
class MethodDeclaration:
    """What a method says about itself.

    Attributes:
        title: its name in tables.
        family: a key of `FAMILIES`.
        additive: whether its map sums up to something.
        cost: passes that one image costs with the protocol's options; None where unknown.
        citation: key in references.bib.
        fixed: what its map is, where that is the same whatever the input.
        transposed: whether its maps are mirrored at the diagonal on transformed inputs.
    """

    key: str
    title: str
    family: str = "other"
    additive: bool = False
    cost: Mapping[str, int] | None = None
    citation: str = ""
    fixed: str = ""
    transposed: bool | None = None


@dataclass(frozen=True)
class MetricDeclaration:
    """What a metric says about itself, under the options at hand.

    Attributes:
        title, short: its name and its abbreviation.
        direction: "higher" or "lower" is better, or "none".
        range: smallest and largest value, None where there is none.
        unit: of a value; "" where there is none to name.
        group: what it is about, such as fidelity.
        mean: a key of `MEANS`; "" where an unknown option decides.
        binary: whether a row can only be 0 or 1.
        digits: decimals printed; None where its size decides.
        cost: passes that one image costs; None where unknown.
        explains: whose explanation it takes (`OWN`, `STAND_IN`, "" where unknown); None where it
            explains nothing anew.
        orders: in which orders it can take equal pixels, by its option `ties`.
        options: those at hand.
        by: what its options decide.
    """

    key: str
    title: str
    short: str
    direction: str = "none"
    range: tuple[float | None, ...] = (None, None)
    unit: str = ""
    group: str = ""
    mean: str = "mean"
    binary: bool = False
    digits: int | None = None
    cost: int | None = None
    citation: str = ""
    explains: str | None = None
    orders: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    by: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)

    def under(self, options: Mapping[str, Any]) -> MetricDeclaration:
        """The same where options have these values."""
        decided: dict[str, Any] = {}
        for option, cases in self.by.items():
            decided |= cases.get(str(options.get(option)), {})
        if "range" in decided:
            decided["range"] = tuple(decided["range"])
        mean = decided.get("mean")
        decided |= {} if mean is None else {"binary": mean == PASSES}
        return replace(self, **decided, options={**self.options, **options})

    @property
    def ties(self) -> str:
        """In which order it takes equal pixels; "" where it has no choice or none is known."""
        return str(self.options.get("ties", "")) if self.orders else ""


@dataclass(frozen=True)
class Catalog:
    """The declarations of methods and of metrics by key.

    as_published: whether all values are those of the shipped protocol `published`; None where
    nobody knows.
    """

    methods: Mapping[str, MethodDeclaration]
    metrics: Mapping[str, MetricDeclaration]
    as_published: bool | None = None

    def method(self, spec: str) -> MethodDeclaration:
        """What the method of a spec declares; of the family "other" where it is not known."""
        key = spec.partition("(")[0]
        return self.methods.get(key) or MethodDeclaration(key, key)

    def label(self, spec: str) -> str:
        """The method's title, or the spec where it has values."""
        return self.method(spec).title if "(" not in spec else spec

    def metric(self, spec: str) -> MetricDeclaration:
        """What the metric of a spec declares under its values; no more than its name if unknown."""
        key = spec.partition("(")[0]
        found = self.metrics.get(key) or MetricDeclaration(key, key, key)
        return found.under(parse(spec)[1]) if found.by and key != spec else found

    @property
    def transposed(self) -> tuple[str, ...] | None:
        """The methods whose maps are mirrored on transformed inputs; None where not known."""
        known = [method for method in self.methods.values() if method.transposed is not None]
        return tuple(method.key for method in known if method.transposed) if known else None

    def over(self, other: Catalog) -> Catalog:
        """These declarations in front of those of another catalog, in the other's order."""
        known = other.as_published if self.as_published is None else self.as_published
        methods, metrics = {**other.methods, **self.methods}, {**other.metrics, **self.metrics}
        return Catalog(methods, metrics, known)

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads."""
        return dict(_plain(asdict(self)))


def from_json(data: Mapping[str, Any]) -> Catalog:
    """The catalog that `to_json` wrote; fields of later versions are left out."""
    metrics = {
        key: _read(MetricDeclaration, declared) for key, declared in data.get("metrics", {}).items()
    }
    return Catalog(
        {k: _read(MethodDeclaration, declared) for k, declared in data.get("methods", {}).items()},
        {
            key: replace(found, range=tuple(found.range), orders=tuple(found.orders))
            for key, found in metrics.items()
        },
        data.get("as_published"),
    )


T = TypeVar("T")


def _read(kind: Callable[..., T], declared: Mapping[str, Any]) -> T:
    known = signature(kind).parameters
    return kind(**{name: value for name, value in declared.items() if name in known})


def _plain(value: Any) -> Any:
    """As JSON has it: tuples are lists, keys are strings."""
    return json.loads(json.dumps(value, default=str))


@cache
def shipped() -> Catalog:
    """What the installed package and plug-ins declare, whatever a protocol says."""
    return Catalog(
        {key: _method(key, entry.metadata) for key, entry in entries("methods").items()},
        {key: _metric(key, entry.metadata) for key, entry in entries("metrics").items()},
    )


def of_protocol(protocol: Mapping[str, Any]) -> Catalog:
    """What is declared under the dump of a Protocol; options it leaves out have their defaults.

    Raises XaibenchError for a family, direction or mean that there is none of.
    """
    steps = protocol.get("normalization") or {}
    values = protocol.get("metrics") or {}
    names = [*steps, *(key for key in entries("methods") if key not in steps)]
    methods = {
        key: replace(
            _method(key, entries("methods")[key].metadata),
            transposed=bool((steps.get(key) or {}).get("transpose")),
        )
        for key in names
        if key in entries("methods")
    }
    metrics = {}
    for key, entry in entries("metrics").items():
        own = values.get(entry.target.partition(":")[2]) or {}
        metrics[key] = _metric(key, entry.metadata).under(_plain({**entry.defaults, **own}))
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
        key, entry = request.spec.partition("(")[0], request.entry
        options = entry.resolve(protocol.get("methods", {}).get(entry.key, {}))
        found[key] = replace(
            _method(key, entry.metadata, options), transposed=request.on_transforms.transpose
        )
    measured: dict[str, MetricDeclaration] = {}
    for wanted in metrics:
        entry = wanted.entry
        options = entry.resolve(protocol.get("metrics", {}).get(entry.key, {}))
        about = {**entry.metadata, **entry.metadata.get("keys", {}).get(wanted.key, {})}
        declared = _metric(wanted.key, about, options)
        measured[wanted.key] = declared.under(_plain(options))
    return Catalog(found, measured)


def _method(
    key: str, about: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> MethodDeclaration:
    family = about.get("family", "other")
    _check(f"method '{key}'", "family", family, FAMILIES)
    cost = _cost(about, options)
    return MethodDeclaration(
        key,
        **_given(MethodDeclaration, about, {"title": key, "family": family}),
        cost=None if cost is None else _plain(asdict(cost)),
    )


def _metric(
    key: str, about: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> MetricDeclaration:
    for name, known in (("direction", DIRECTIONS), ("mean", MEANS)):
        for cases in ({"": {"": about}}, about.get("by", {})):
            for case in (case for values in cases.values() for case in values.values()):
                _check(f"metric '{key}'", name, case.get(name, next(iter(known))), known)
    open_ = {
        name for cases in about.get("by", {}).values() for case in cases.values() for name in case
    }
    title = about.get("title", key)
    first = {"title": title, "short": title}
    first |= {name: "" for name in ("mean", "explains") if name in open_}
    given = _given(MetricDeclaration, about, first) | {"by": _plain(about.get("by", {}))}
    given |= {
        "range": tuple(given.get("range", (None, None))),
        "orders": tuple(given.get("orders", ())),
    }
    return MetricDeclaration(
        key, **given, binary=given.get("mean") == PASSES, cost=_cost(about, options)
    )


def _given(kind: type, about: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    """What is declared of a declaration's fields, over what holds where it is left out."""
    names = {f.name for f in fields(kind)} - {"key", "cost", "binary", "options", "transposed"}
    return {**first, **{name: about[name] for name in names if name in about}}


def _cost(about: Mapping[str, Any], options: Mapping[str, Any] | None) -> Any:
    """What an image costs, where that is declared and needs no network to know."""
    declared = about.get("cost")
    if options is None or declared is None or "channels" in signature(declared).parameters:
        return None
    return declared(**options)


def _check(whose: str, what: str, value: Any, known: Iterable[str]) -> None:
    if value not in (known := list(known)):
        raise XaibenchError(
            f"{whose} declares the {what} {value!r}: it has to be one of {', '.join(known)}."
        )


def _values(protocol: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in protocol.items() if k not in ("name", "description")}
