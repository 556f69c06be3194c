"""What methods and metrics say about themselves, as plain data that travels with a run.

`config.declared` makes it of decorators. What an option decides is declared with the metric under
`by`: `{option: {value: {field: what it is}}}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from xaibench.config.specs import key_of, parse

FAMILIES = {
    "control": "Control",
    "gradient": "Gradient based",
    "cam": "CAM based",
    "perturbation": "Perturbation based",
    "other": "Other methods",
}
"""The families a method can declare, in the order and with the headings of the tables."""

CONTROL = "control"
"""The family of methods that explain nothing, to compare with."""

DIRECTIONS = ("higher", "lower", "none")

PASSES, RESIDUAL = "share of passes", "mean residual"
MEANS = {"mean": "a value", PASSES: "a verdict", RESIDUAL: "a residual"}
"""What a metric's mean can be, and what it is a mean of; of `PASSES` every row is 0 or 1."""

OWN, STAND_IN = "method", "gradient_stand_in"
"""Whose explanation a metric takes that explains other inputs."""
STOOD_IN = "in this protocol it does not measure the methods: a gradient stands in for each"
"""Why methods are not judged by a metric of `STAND_IN`."""


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
        chance: whether its map is noise, which what is of use has to be better than.
        blind: whether its map stays the same whatever happens to the image and the network.
        transposed: whether its maps are mirrored at the diagonal on transformed inputs.
        elsewhere: whether there are maps alone, which no command can make.
    """

    key: str
    title: str
    family: str = "other"
    additive: bool = False
    cost: Mapping[str, int] | None = None
    citation: str = ""
    fixed: str = ""
    chance: bool = False
    blind: bool = False
    transposed: bool | None = None
    elsewhere: bool = False


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
    def bounds(self) -> tuple[float, float] | None:
        """The smallest and the largest value, where it has both."""
        low, high = self.range
        return None if low is None or high is None else (float(low), float(high))

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
        key = key_of(spec)
        return self.methods.get(key) or MethodDeclaration(key, key)

    def label(self, spec: str) -> str:
        """The method's title, or the spec where it has values; of two alike the later's key too."""
        declared = self.method(spec)
        if key_of(spec) != spec:
            return spec
        first = next((m.key for m in self.methods.values() if m.title == declared.title), spec)
        return declared.title if first in (spec, declared.key) else f"{declared.title} ({spec})"

    def metric(self, spec: str) -> MetricDeclaration:
        """What the metric of a spec declares under its values; no more than its name if unknown."""
        key = key_of(spec)
        found = self.metrics.get(key) or MetricDeclaration(key, key, key)
        return found.under(parse(spec)[1]) if found.by and key != spec else found

    def settled(self, metric: str, *methods: str) -> bool:
        """Whether what a method is decides: its map never changes, and the metric asks how much."""
        anew = self.metric(metric).explains is not None
        return anew and any(self.method(method).blind for method in methods)

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
        return dict(plain(asdict(self)))


def from_json(data: Mapping[str, Any]) -> Catalog:
    """The catalog that `to_json` wrote; fields of later versions are left out."""
    methods = {
        k: MethodDeclaration(**_known(MethodDeclaration, v))
        for k, v in data.get("methods", {}).items()
    }
    metrics = {
        k: MetricDeclaration(**_known(MetricDeclaration, v))
        for k, v in data.get("metrics", {}).items()
    }
    return Catalog(methods, metrics, data.get("as_published"))


def _known(kind: type, declared: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a kind among declared ones; sequences are tuples again."""
    names = {f.name for f in fields(kind)}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in declared.items()
        if name in names
    }


def plain(value: Any) -> Any:
    """As JSON has it: tuples are lists, keys are strings."""
    return json.loads(json.dumps(value, default=str))
