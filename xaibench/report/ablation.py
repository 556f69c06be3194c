"""An ablation as tables: one a method and target, switches as rows, metrics as columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from xaibench.analysis.columns import TARGET_NAMES, Column, column_of
from xaibench.analysis.effects import ALL, FROM, INTERACTION, NOT_ALONE, ROUNDING, Effect
from xaibench.config.catalog import Catalog
from xaibench.config.declared import shipped
from xaibench.report.text import number, signed

CANNOT = "-"


@dataclass(frozen=True)
class Listed:
    """A switch by name with its two values in words.

    methods, transforms: in whose tables it stands.
    """

    name: str
    before: str
    after: str
    methods: tuple[str, ...]
    transforms: tuple[str, ...] = ("none",)


@dataclass(frozen=True)
class Ablation:
    """What each difference between two protocols moves, on one model and data set."""

    before: str
    after: str
    model: str
    dataset: str
    listed: tuple[Listed, ...]
    effects: tuple[Effect, ...]
    catalog: Catalog = field(default_factory=shipped)

    @property
    def images(self) -> int:
        """The usual number of images of a mean."""
        return max((effect.n for effect in self.effects if effect.kind == "from"), default=0)

    def column(self, metric: str) -> Column:
        """How a metric is printed."""
        means = [abs(e.mean) for e in self.effects if e.metric == metric and e.mean is not None]
        return column_of(metric, self.catalog, max(means, default=0.0))


@dataclass(frozen=True)
class Shown:
    """A cell in words; firm where its interval excludes zero."""

    text: str
    interval: str = ""
    flags: tuple[str, ...] = ()
    firm: bool = False


@dataclass(frozen=True)
class Line:
    """A row: a label, what stands small beside it, and a cell for each column."""

    label: str
    detail: str
    cells: tuple[Shown, ...]


@dataclass(frozen=True)
class Grid:
    """A table of an ablation."""

    title: str
    heads: tuple[str, ...]
    lines: tuple[Line, ...]


def header_line(ablation: Ablation) -> str:
    """Say what was compared, with what and on how much."""
    plural = "s" * (ablation.images != 1)
    return (
        f"Ablation {ablation.before} -> {ablation.after}: {ablation.model}, {ablation.dataset}, "
        f"{ablation.images} image{plural}"
    )


def legend(ablation: Ablation) -> str:
    """Say how to read the tables."""
    whole = any(effect.kind == "all" for effect in ablation.effects)
    changed = any(effect.transform != "none" for effect in ablation.effects)
    alone = any(effect.note == NOT_ALONE for effect in ablation.effects)
    return (
        f"Change of the mean against {ablation.before} when one difference alone is switched, with "
        "its 95% interval (paired widened percentile bootstrap over images, not corrected for "
        "the number of comparisons); bold where it excludes 0. "
        + "An image's value on a transform is the mean of its variations. "
        * changed
        + "Units are those of the headings. '-': the "
        f"switch cannot move the number. 'unchanged': by no more than {ROUNDING:g} in any image. "
        + f"'{NOT_ALONE}': explaining again is not defined in a BatchNorm group. " * alone
        + "Interaction: all of them minus the sum of the rows above, 'none' likewise. " * whole
        + f"Sorted by the largest change, relative to the metric's largest {ablation.before} mean."
    )


def grids(ablation: Ablation) -> list[Grid]:
    """All tables: over the methods where there are several, then one a method and target."""
    tables: dict[tuple[str, str, str], list[Effect]] = {}
    for effect in ablation.effects:
        tables.setdefault((effect.target, effect.transform, effect.method), []).append(effect)
    methods = list(dict.fromkeys(method for *_, method in tables))
    found = []
    for target, transform in dict.fromkeys((key[0], key[1]) for key in tables):
        if len(methods) > 1:
            found.append(_over_methods(ablation, target, transform))
        found += [
            _of_method(ablation, tables[target, transform, method], method, target, transform)
            for method in methods
            if (target, transform, method) in tables
        ]
    return found


def _title(what: str, target: str, transform: str) -> str:
    """A table's title; the transform is said only where there is one."""
    on = f", {transform}" if transform != "none" else ""
    return f"{what}, {TARGET_NAMES.get(target, target)}{on}"


Held = dict[tuple[str, str], list[Effect]]


def _by_place(effects: Iterable[Effect]) -> Held:
    """Effects by switch and metric; those of one method are alone."""
    found: Held = {}
    for effect in effects:
        found.setdefault((effect.switch, effect.metric), []).append(effect)
    return found


def _of_method(
    ablation: Ablation, effects: list[Effect], method: str, target: str, transform: str
) -> Grid:
    metrics = list(dict.fromkeys(effect.metric for effect in effects))
    held = _by_place(effects)
    switches = [s for s in ablation.listed if method in s.methods and transform in s.transforms]
    switches = _by_size(ablation, switches, held)
    labels = [(FROM, ablation.before, "mean")]
    labels += [(s.name, s.name, f"{s.before} -> {s.after}") for s in switches]
    if any(effect.kind == "all" for effect in effects):
        labels += [(ALL, ALL, ablation.after), (INTERACTION, INTERACTION, "")]
    lines = [
        Line(label, detail, tuple(_only(ablation, held.get((name, m), [])) for m in metrics))
        for name, label, detail in labels
    ]
    title = _title(ablation.catalog.label(method), target, transform)
    return Grid(title, tuple(ablation.column(m).header for m in metrics), tuple(lines))


def _by_size(ablation: Ablation, switches: list[Listed], held: Held) -> list[Listed]:
    """Largest first: a row's size is its largest change, relative to the metric's largest mean."""
    largest: dict[str, float] = {}
    for effect in ablation.effects:
        if effect.kind == "from" and effect.mean is not None:
            mean = abs(ablation.column(effect.metric).printed(effect.mean))
            largest[effect.metric] = max(mean, largest.get(effect.metric, 0.0))
    sizes = {switch.name: 0.0 for switch in switches}
    for effect in (effect for some in held.values() for effect in some):
        if effect.kind == "switch" and effect.change is not None:
            size = abs(ablation.column(effect.metric).scale * effect.change)
            size /= largest.get(effect.metric) or 1.0
            sizes[effect.switch] = max(sizes[effect.switch], size)
    return sorted(switches, key=lambda switch: sizes[switch.name], reverse=True)


def _only(ablation: Ablation, some: list[Effect]) -> Shown:
    """One method's effect in words, where the switch can have one."""
    return _shown(ablation, some[0]) if some else Shown(CANNOT)


def _shown(ablation: Ablation, effect: Effect) -> Shown:
    column = ablation.column(effect.metric)
    digits = column.digits + 1  # one more than in the report: changes are small
    if effect.note:
        return Shown(effect.note, flags=_flags(effect, ablation.images) if effect.n else ())
    if effect.kind == "from":
        mean = None if effect.mean is None else column.printed(effect.mean)
        return Shown(number(mean, digits), flags=_flags(effect, ablation.images))
    if effect.change is None:
        return Shown("no value", flags=_flags(effect, ablation.images))
    low, high = printed_interval(column, effect)
    interval = f"[{number(low, digits)}, {number(high, digits)}]" if low is not None else ""
    text = signed(column.scale * effect.change, digits)
    return Shown(text, interval, _flags(effect, ablation.images), effect.firm)


def printed_interval(column: Column, effect: Effect) -> tuple[float | None, float | None]:
    """The ends of an effect's interval in printed units, the lower one first."""
    if effect.low is None or effect.high is None:
        return None, None
    low, high = sorted((column.scale * effect.low, column.scale * effect.high))
    return low, high


def _flags(effect: Effect, images: int) -> tuple[str, ...]:
    flags = [f"{effect.n_constant} const"] if effect.n_constant else []
    return (*flags, f"n {effect.n}") if effect.n != images else tuple(flags)


def _over_methods(ablation: Ablation, target: str, transform: str) -> Grid:
    """For each switch and metric: the method it moves most, and how many it moves for sure."""
    effects = [e for e in ablation.effects if (e.target, e.transform) == (target, transform)]
    metrics = list(dict.fromkeys(effect.metric for effect in effects))
    held = _by_place(effects)
    listed = [switch for switch in ablation.listed if transform in switch.transforms]
    switches = _by_size(ablation, listed, held)
    labels = [(s.name, s.name, f"{s.before} -> {s.after}") for s in switches]
    if any(effect.kind == "all" for effect in effects):
        labels += [(ALL, ALL, ablation.after)]
    lines = [
        Line(
            label,
            detail,
            tuple(_most(ablation, held.get((name, m), []), held[FROM, m]) for m in metrics),
        )
        for name, label, detail in labels
    ]
    title = _title("Largest change over methods", target, transform)
    return Grid(title, tuple(ablation.column(m).header for m in metrics), tuple(lines))


def _most(ablation: Ablation, some: list[Effect], start: list[Effect]) -> Shown:
    """The largest of some methods' effects in words."""
    known = [effect for effect in some if effect.change is not None]
    if not known:
        return Shown(some[0].note or "no value") if some else Shown(CANNOT)
    most = max(known, key=lambda effect: abs(effect.change or 0.0))
    text = _shown(ablation, most).text
    if most.note:
        return Shown(text)
    firm = sum(effect.firm for effect in known)
    flags = [f"{firm} of {len(known)} exclude 0"]
    order = _order_kept(start, known)
    if order is not None:
        flags.append(f"order tau {order:.2f}")
    name = ablation.catalog.label(most.method)
    return Shown(f"{text} {name}", "", tuple(flags), most.firm)


def _order_kept(before: Iterable[Effect], after: Iterable[Effect]) -> float | None:
    """Kendall's tau-b between the methods' means before and after; None with fewer than three."""
    from scipy.stats import kendalltau

    start = {effect.method: effect.mean for effect in before if effect.mean is not None}
    end = start | {effect.method: effect.mean for effect in after if effect.mean is not None}
    if len(start) < 3:
        return None
    return float(kendalltau([start[m] for m in start], [end[m] for m in start]).statistic)
