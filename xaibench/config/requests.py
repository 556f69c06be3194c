"""What was asked for, resolved: methods and metrics with all their option values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from xaibench.config.names import expand
from xaibench.config.protocol import Protocol
from xaibench.config.specs import canonical, parse
from xaibench.config.words import check_stored
from xaibench.errors import UsageError, fold, unknown
from xaibench.normalize import Normalization, normalization
from xaibench.registry import Registered, entries, get
from xaibench.registry.files import title


@dataclass(frozen=True)
class MethodRequest:
    """A method with its values; spec is its canonical name under the protocol.

    normalization: the steps for maps of untouched images; on_transforms: of transformed inputs.
    """

    spec: str
    entry: Registered
    options: Mapping[str, Any]
    normalization: Normalization
    on_transforms: Normalization

    def steps(self, transform: str) -> Normalization:
        """The normalisation of maps of a transform's inputs, `none` for the untouched images."""
        return self.normalization if transform == "none" else self.on_transforms

    @property
    def prepared_of_subset(self) -> bool:
        """Whether what it prepares for transformed inputs comes from the run's subset alone."""
        of = self.entry.metadata.get("prepared_of", lambda **_: "dataset")
        return bool(of(**self.options) == "subset")

    @property
    def groups(self) -> bool:
        """Whether an image's map can depend on the others of its BatchNorm group."""
        return bool(self.entry.metadata.get("groups", lambda **_: False)(**self.options))


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
        needs = self.entry.metadata.get("needs", ())
        return tuple(needs(**self.options) if callable(needs) else needs)

    @property
    def curve(self) -> bool:
        """Whether it declares that a curve comes with every value."""
        return bool(self.entry.metadata.get("keys", {}).get(self.key, {}).get("curve", False))


@dataclass(frozen=True)
class TransformRequest:
    """A transform with its values. groups: whether an image's result depends on its group."""

    spec: str
    entry: Registered
    options: Mapping[str, Any]

    @property
    def variations(self) -> tuple[str, ...]:
        """The names of its variations."""
        return tuple(self.entry.metadata["variations"])

    @property
    def groups(self) -> bool:
        """Whether an image's result depends on the others of its group."""
        return bool(self.entry.metadata.get("groups", lambda **_: False)(**self.options))


def _resolved(
    entry: Registered, name: str, values: Mapping[str, Any], protocol: Protocol
) -> tuple[str, dict[str, Any]]:
    """The canonical spec of a function under a protocol, and all of its values."""
    kind = entry.kind
    base = getattr(protocol, kind).get(entry.key, {})
    options = entry.resolve(base, values, key=name)
    spec = canonical(title(name), options, entry.usual(base))
    check_stored(spec)
    return spec, options


def resolve_transforms(
    specs: Iterable[str], protocol: Protocol
) -> dict[str, TransformRequest | None]:
    """Transforms by canonical spec, None for `none`; `all` is `none` and every transform."""
    found: dict[str, TransformRequest | None] = {}
    for spec in specs:
        for text in ["none", *entries("transforms")] if fold(spec) == "all" else [spec]:
            name, values = parse(text)
            if name == "none":
                found["none"] = None
                continue
            entry = get("transforms", name)
            canon, options = _resolved(entry, name, values, protocol)
            found[canon] = TransformRequest(canon, entry, options)
    return found


def resolve_methods(specs: Iterable[str], protocol: Protocol) -> list[MethodRequest]:
    """Methods by canonical spec; UsageError for unknown names, options or values."""
    found = {}
    for text in expand("methods", specs):
        name, values = parse(text)
        request = method_request(get("methods", name), protocol, name, values)
        found[request.spec] = request
    return list(found.values())


def method_request(
    entry: Registered, protocol: Protocol, name: str, values: Mapping[str, Any]
) -> MethodRequest:
    """A method under a protocol, with a user's values over the protocol's."""
    spec, options = _resolved(entry, name, values, protocol)
    steps = normalization(
        entry.metadata.get("normalization", {}), protocol.normalization.get(entry.key, {})
    )
    return MethodRequest(spec, entry, options, replace(steps, transpose=False), steps)


def made_elsewhere(name: str, entry: Registered | None = None) -> MethodRequest:
    """A method of which there are maps alone; its function gives them, or explains nothing."""

    def none(*_: Any) -> Any:
        raise UsageError(f"{name} is a set of maps and explains nothing else.")

    check_stored(name)
    entry = entry or Registered("methods", name, none, (name,), {}, {})
    return MethodRequest(name, entry, {}, Normalization(), Normalization())


def check_maps_alone(metrics: Iterable[MetricRequest]) -> None:
    """UsageError for the first metric that explains other inputs, where there are maps alone."""
    for metric in metrics:
        if "explain" in metric.needs:
            raise UsageError(f"{metric.spec} explains other inputs, which maps alone cannot.")


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
        request = metric_request(get("metrics", name), protocol, name, values)
        found[request.spec] = request
    return list(found.values())


def metric_request(
    entry: Registered, protocol: Protocol, name: str, values: Mapping[str, Any]
) -> MetricRequest:
    """One key of a metric's function under a protocol, with a user's values over it."""
    spec, options = _resolved(entry, name, values, protocol)
    return MetricRequest(spec, name.rpartition(":")[2], entry, options)


def check_protocol(protocol: Protocol) -> None:
    """UsageError for the first method, metric, option or normalisation step that does not exist."""
    where = f"in protocol {protocol.name}"
    methods = entries("methods")
    functions = {e.target.partition(":")[2]: e for e in entries("metrics").values()}
    transforms = entries("transforms")
    known = {"method": methods, "transform": transforms}
    named = [("method", n) for n in (*protocol.methods, *protocol.normalization)]
    for kind, name in (*named, *(("transform", n) for n in protocol.transforms)):
        if name not in known[kind]:
            raise unknown(f"{kind} {where}", name, known[kind])
    for name in protocol.metrics:
        entry = entries("metrics").get(name)
        if name not in functions and entry is not None:
            function = entry.target.partition(":")[2]
            raise UsageError(f"metric '{name}' {where}: write its options under '{function}'.")
        if name not in functions:
            raise unknown(f"metric {where}", name, functions)
    for name, values in protocol.methods.items():
        get("methods", name).resolve(values)
    for name, values in protocol.metrics.items():
        get("metrics", functions[name].key).resolve(values)
    for values in protocol.normalization.values():
        normalization(values)
    for name, values in protocol.transforms.items():
        get("transforms", name).resolve(values)
    _check_groups(protocol, where)


def _check_groups(protocol: Protocol, where: str) -> None:
    """UsageError for the first method, transform or variation of batchnorm_groups that is none."""
    for method, groups in protocol.batchnorm_groups.items():
        if method not in entries("methods"):
            raise unknown(f"method {where}", method, entries("methods"))
        for name in groups:
            transform, slash, variation = name.partition("/")
            if transform not in entries("transforms"):
                raise unknown(f"transform {where}", transform, entries("transforms"))
            known = get("transforms", transform).metadata["variations"]
            if slash and variation not in known:
                raise unknown(f"variation of {transform} {where}", variation, known)
