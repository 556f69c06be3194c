"""The differences between two protocols as named switches.

What is special about an option is declared with its method or metric, never here by name:
`together` (groups of options that only make sense together), `redefines` (options that change
what the number is, so that a difference of two means nothing), and what `reach` reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from xaibench.config.names import expand
from xaibench.config.protocol import Protocol, group_size
from xaibench.config.specs import canonical, parse
from xaibench.errors import fold
from xaibench.normalize import ON_TRANSFORMS_ALONE, normalization
from xaibench.registry import entries, get

Section = Literal[
    "preprocessing",
    "probability",
    "methods",
    "normalization",
    "batchnorm_groups",
    "metrics",
    "transforms",
]
WHOLE_RUN = ("preprocessing", "probability", "normalization", "batchnorm_groups")
"""Sections whose values make another run identity, not just another spec."""

TRANSFORMED, SUBSET, RESIZED = "transformed", "subset", "resized"


@dataclass(frozen=True)
class Groups:
    """BatchNorm groups of a method: (transform or transform/variation, images), 1 elsewhere."""

    sizes: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return ", ".join(f"{name} {size}" for name, size in self.sizes) or "1"

    def of(self, transform: str, variation: str) -> int:
        """Images that share a batch on a variation of a transform."""
        return group_size(dict(self.sizes), transform, variation)


@dataclass(frozen=True)
class Leaf:
    """One value that differs between the protocols; option '' where a section is one value."""

    option: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Switch:
    """One difference; several leaves where they only make sense together.

    section: where in the protocol. owner: the method's, metric's or transform's function, '' where
    the section has none. redefines: whether it changes what is measured, not only how large it is.
    """

    section: Section
    owner: str
    leaves: tuple[Leaf, ...]
    redefines: bool = False

    @property
    def name(self) -> str:
        """`rise.n_masks`, `probability`, `batchnorm_groups.ig`, `normalization.ig.transpose`."""
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
        return self.section in WHOLE_RUN

    def other_steps(self, transform: str) -> bool:
        """Whether a switch of the normalisation changes its steps on a transform's inputs."""
        return transform != "none" or any(
            leaf.option not in ON_TRANSFORMS_ALONE for leaf in self.leaves
        )

    def other_group(self, transform: str, variation: str) -> bool:
        """Whether a switch of BatchNorm groups changes their size on a variation."""
        (leaf,) = self.leaves
        old, new = (groups.of(transform, variation) for groups in (leaf.before, leaf.after))
        return bool(old != new)

    def regroups(self, transform: Asked) -> bool:
        """Whether a switch of BatchNorm groups changes their size on any variation."""
        if transform == UNTOUCHED:
            return False
        names = get("transforms", transform.name).metadata["variations"]
        return any(self.other_group(transform.owner, name) for name in names)

    def free(self, asked: Asked) -> dict[str, Any]:
        """The new values of the options that were not given with the method or metric."""
        pinned = asked.pinned
        return {leaf.option: leaf.after for leaf in self.leaves if leaf.option not in pinned}


@dataclass(frozen=True)
class Asked:
    """A method, metric or transform as asked for, e.g. `rise(p=0.1)`.

    owner: its registered function, '' of the untouched images.
    """

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


UNTOUCHED = Asked("none", "")
"""The images without a transform."""


def asked(kind: str, specs: Iterable[str]) -> list[Asked]:
    """What was asked for, `all` expanded; UsageError for an unknown name."""
    listed = []
    for text in expand(kind, specs):
        name, values = parse(text)
        listed.append(Asked(canonical(name, values, {}), get(kind, name).key))
    return list(dict.fromkeys(listed))


def asked_transforms(specs: Iterable[str]) -> list[Asked]:
    """The transforms asked for; `none` is UNTOUCHED, and `all` holds it, as in a run."""
    listed: list[Asked] = []
    for text in specs:
        untouched = fold(text) in ("none", "all")
        listed += [UNTOUCHED] if untouched else []
        listed += [] if fold(text) == "none" else asked("transforms", [text])
    return list(dict.fromkeys(listed))


def differences(
    before: Protocol,
    after: Protocol,
    methods: Iterable[Asked],
    metrics: Iterable[Asked],
    transforms: Iterable[Asked] = (),
) -> list[Switch]:
    """Every value in which two protocols differ for what is asked for, each once.

    Values that a protocol leaves out count with the code's default. What concerns transformed
    inputs alone is listed only where a transform is asked for, and BatchNorm groups only where
    they differ on one of those.
    """
    both = (before, after)
    changed = [transform for transform in transforms if transform != UNTOUCHED]
    switches = _compare("preprocessing", "", *(p.preprocessing.model_dump() for p in both))
    switches += _compare("probability", "", *({"": p.probability} for p in both))
    for name in dict.fromkeys(method.name for method in methods):
        entry = get("methods", name)
        declared = entry.metadata.get("normalization", {})
        steps = (vars(normalization(declared, p.normalization.get(entry.key, {}))) for p in both)
        groups = _compare("batchnorm_groups", entry.key, *({"": _groups(p, name)} for p in both))
        only = entry.metadata.get("only", {})
        switches += [s for s in _options("methods", name, both) if changed or _untouched(s, only)]
        normal = _compare("normalization", entry.key, *steps)
        switches += [s for s in normal if changed or s.other_steps("none")]
        switches += [s for s in groups if any(map(s.regroups, changed))]
    for name in dict.fromkeys(metric.name for metric in metrics):
        switches += _options("metrics", name, both)
    for name in dict.fromkeys(transform.name for transform in changed):
        switches += _options("transforms", name, both)
    return list(dict.fromkeys(switches))


def _untouched(switch: Switch, only: Mapping[str, Iterable[str]]) -> bool:
    """Whether an option of a switch has an effect on untouched images; only: as in `reach`."""
    inputs = {TRANSFORMED, SUBSET, RESIZED}
    return not all(inputs.issuperset(only.get(leaf.option, ("",))) for leaf in switch.leaves)


def _options(
    kind: Literal["methods", "metrics", "transforms"], name: str, both: tuple[Protocol, Protocol]
) -> list[Switch]:
    entry = get(kind, name)
    before, after = (entry.usual(getattr(p, kind).get(entry.key, {})) for p in both)
    switches = _compare(kind, entry.key, before, after, entry.metadata.get("together", ()))
    other = entry.metadata.get("redefines", ())
    return [replace(s, redefines=any(leaf.option in other for leaf in s.leaves)) for s in switches]


def _compare(
    section: Section,
    owner: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    together: Iterable[Iterable[str]] = (),
) -> list[Switch]:
    leaves = {k: Leaf(k, before[k], after[k]) for k in before if before[k] != after[k]}
    switches = []
    for group in together:
        joined = tuple(leaves.pop(option) for option in group if option in leaves)
        switches += [Switch(section, owner, joined)] if joined else []
    return switches + [Switch(section, owner, (leaf,)) for leaf in leaves.values()]


def _groups(protocol: Protocol, method: str) -> Groups:
    """A method's groups in one form, however the protocol writes them."""
    groups: list[tuple[str, int]] = []
    for name in entries("transforms"):
        names = get("transforms", name).metadata["variations"]
        sizes = [(f"{name}/{v}", protocol.batchnorm_group(method, name, v)) for v in names]
        if len({size for _, size in sizes}) == 1:
            sizes = [(name, sizes[0][1])]
        groups += [(where, size) for where, size in sizes if size > 1]
    return Groups(tuple(groups))


def applied(protocol: Protocol, switches: Iterable[Switch], name: str) -> Protocol:
    """The protocol under a new name, with the switches' new values."""
    switches = list(switches)
    data = protocol.model_dump()
    for switch in switches:
        for leaf in switch.leaves:
            *above, last = [w for w in (switch.section, switch.owner, leaf.option) if w]
            part = data
            for word in above:
                part = part.setdefault(word, {})
            part[last] = dict(leaf.after.sizes) if isinstance(leaf.after, Groups) else leaf.after
    data["batchnorm_groups"] = {k: v for k, v in data["batchnorm_groups"].items() if v}
    names = ", ".join(switch.name for switch in switches)
    data |= {"name": name, "description": f"{protocol.name} with {names}"}
    return Protocol.model_validate(data)
