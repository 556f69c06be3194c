"""The differences between two protocols as named switches, and which numbers each can move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from xaibench.config import Protocol
from xaibench.names import expand
from xaibench.normalize import normalization
from xaibench.registry import get
from xaibench.specs import canonical, parse

Section = Literal["preprocessing", "methods", "metrics", "normalization"]

# Values that are nothing without each other. Captum's Lasso (alpha 0.08) fits logits; of
# probabilities it keeps no coefficient: lime(score=probability) alone is a constant map on four
# of the first five embedded photographs.
TOGETHER = {"lime": (("surrogate_model", "score"),)}

# Options that not every metric key of their function, or not every target, depends on.
_SENSITIVITY = ("quantus_max_sensitivity", "quantus_avg_sensitivity")
ONLY_METRICS = {
    ("causal", "kernel"): ("insertion",),
    ("causal", "sigma"): ("insertion",),
    ("sparsity", "threshold"): ("effective_complexity",),
    ("quantus_backend", "threshold"): ("quantus_effective_complexity",),
    ("quantus_backend", "rows_per_step"): ("quantus_monotonicity",),
    ("quantus_backend", "draws"): ("quantus_monotonicity", *_SENSITIVITY),
    ("quantus_backend", "radius"): _SENSITIVITY,
    ("quantus_backend", "explanation"): _SENSITIVITY,
}
ONLY_TARGETS = {"explained_class": ("predicted", "least_probable")}

# Options that change what the number is, so that a difference of two values means nothing:
# completeness is a verdict (exact) or a relative residual.
REDEFINES = {("completeness", "test")}


@dataclass(frozen=True)
class Leaf:
    """One value that differs between the protocols."""

    option: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Switch:
    """One difference; several leaves where they only make sense together.

    section: where in the protocol. owner: the method's or the metric's function, '' for the
    preprocessing.
    """

    section: Section
    owner: str
    leaves: tuple[Leaf, ...]

    @property
    def name(self) -> str:
        """`rise.n_masks`, `preprocessing.resize`, `normalization.gradcam.native_minmax`."""
        section = self.section if self.whole_run else ""
        options = "+".join(leaf.option for leaf in self.leaves)
        return ".".join(word for word in (section, self.owner, options) if word)

    @property
    def before(self) -> str:
        """The value, or values, of the first protocol in words."""
        return "+".join(str(leaf.before) for leaf in self.leaves)

    @property
    def after(self) -> str:
        """The value, or values, of the second protocol in words."""
        return "+".join(str(leaf.after) for leaf in self.leaves)

    @property
    def whole_run(self) -> bool:
        """Whether the switch makes another run identity, not just another spec."""
        return self.section in ("preprocessing", "normalization")

    @property
    def redefines(self) -> bool:
        """Whether the switch changes what is measured, not only how large it is."""
        return any((self.owner, leaf.option) in REDEFINES for leaf in self.leaves)

    def free(self, asked: Asked) -> dict[str, Any]:
        """The new values of the options that were not given with the method or metric."""
        pinned = asked.pinned
        return {leaf.option: leaf.after for leaf in self.leaves if leaf.option not in pinned}


@dataclass(frozen=True)
class Asked:
    """A method or metric as asked for, e.g. `rise(p=0.1)`; owner is its registered function."""

    text: str
    owner: str

    @property
    def name(self) -> str:
        """The registered name."""
        return parse(self.text)[0]

    @property
    def pinned(self) -> Mapping[str, Any]:
        """The values given with it: they hold in every protocol, so no switch moves them."""
        return parse(self.text)[1]

    def changed(self, values: Mapping[str, Any]) -> str:
        """The spec with other values."""
        return canonical(self.name, {**self.pinned, **values}, {})


@dataclass(frozen=True)
class Cell:
    """What one mean is of."""

    method: Asked
    metric: Asked
    target: str


def asked(kind: str, specs: Iterable[str]) -> list[Asked]:
    """What was asked for, `all` expanded; UsageError for an unknown name."""
    found = []
    for text in expand(kind, specs):
        name, values = parse(text)
        found.append(Asked(canonical(name, values, {}), get(kind, name).key))
    return list(dict.fromkeys(found))


def differences(
    before: Protocol, after: Protocol, methods: Iterable[Asked], metrics: Iterable[Asked]
) -> list[Switch]:
    """Every value in which two protocols differ for these methods and metrics, each once.

    Values that a protocol leaves out count with the code's default. What concerns transformed
    inputs alone (transforms, batchnorm_group) is left out: an ablation explains untouched images.
    """
    found = _compare(
        "preprocessing", "", before.preprocessing.model_dump(), after.preprocessing.model_dump()
    )
    for name in dict.fromkeys(method.name for method in methods):
        entry = get("methods", name)
        options = [entry.resolve(p.methods.get(entry.key, {})) for p in (before, after)]
        declared = entry.metadata.get("normalization", {})
        steps = [
            vars(normalization(declared, p.normalization.get(entry.key, {})))
            for p in (before, after)
        ]
        found += _compare("methods", entry.key, *options)
        found += _compare("normalization", entry.key, *steps)
    for name in dict.fromkeys(metric.name for metric in metrics):
        entry = get("metrics", name)
        options = [entry.resolve(p.metrics.get(entry.key, {})) for p in (before, after)]
        found += _compare("metrics", entry.key, *options)
    return list(dict.fromkeys(found))


def _compare(
    section: Section, owner: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[Switch]:
    leaves = {k: Leaf(k, before[k], after[k]) for k in before if before[k] != after[k]}
    found = []
    for group in TOGETHER.get(owner, ()) if section == "methods" else ():
        joined = tuple(leaves.pop(option) for option in group if option in leaves)
        found += [Switch(section, owner, joined)] if joined else []
    return found + [Switch(section, owner, (leaf,)) for leaf in leaves.values()]


def applied(protocol: Protocol, switches: Iterable[Switch], name: str) -> Protocol:
    """The protocol under a new name, with the switches' new values."""
    data = protocol.model_dump()
    for switch in switches:
        part = data[switch.section]
        part = part.setdefault(switch.owner, {}) if switch.owner else part
        part |= {leaf.option: leaf.after for leaf in switch.leaves}
    names = ", ".join(switch.name for switch in switches)
    data |= {"name": name, "description": f"{protocol.name} with {names}"}
    return Protocol.model_validate(data)


def concerns(switch: Switch, method: Asked) -> bool:
    """Whether a switch belongs into the table of a method."""
    return switch.section in ("preprocessing", "metrics") or switch.owner == method.owner


def moves(switch: Switch, cell: Cell, images: int) -> bool:
    """Whether a switch can change a cell's value; images: how many the dataset has."""
    if switch.section == "preprocessing":
        return True
    if switch.section == "normalization":
        return switch.owner == cell.method.owner
    held = cell.method if switch.section == "methods" else cell.metric
    if switch.owner != held.owner:
        return False
    free = [leaf for leaf in switch.leaves if leaf.option not in held.pinned]
    return any(_reaches(switch, leaf, cell, images) for leaf in free)


def _reaches(switch: Switch, leaf: Leaf, cell: Cell, images: int) -> bool:
    if leaf.option == "statistics_images":  # 0 means all, and so does more than there are
        return min(leaf.before or images, images) != min(leaf.after or images, images)
    keys = ONLY_METRICS.get((switch.owner, leaf.option)) if switch.section == "metrics" else None
    targets = ONLY_TARGETS.get(leaf.option) if switch.section == "methods" else None
    return (keys is None or cell.metric.name in keys) and (
        targets is None or cell.target in targets
    )
