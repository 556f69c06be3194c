"""An ablation: one table a method and target, switches as rows, metrics as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

from xaibench.analysis.columns import Column, column_of
from xaibench.analysis.effects import ALL, FROM, INTERACTION, NOT_ALONE, ROUNDING, Effect
from xaibench.config.catalog import Catalog
from xaibench.config.declared import shipped
from xaibench.report import document as d
from xaibench.report.text import MISSING, count, interval, number, signed, target_name

FIELDS = (
    "method target transform metric units kind switch before after mean change low high n "
    "n_constant note"
).split()
_LABEL = 36  # the names of switches are long
_KINDS = ("from", "switch", "all", "interaction")


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


def page(study: Ablation) -> d.Document:
    """Return the page of an ablation."""
    lines = records(study)
    return d.Document(
        name="ablation",
        formats=("md", "csv", "json"),
        title=f"Ablation {study.before} -> {study.after}: {study.model}, {study.dataset}, "
        f"{count(study.images, 'image')}",
        legend=legend(study),
        sections=list(_sections(study)),
        fields=FIELDS,
        records=lines,
        content={
            "from": study.before,
            "to": study.after,
            "model": study.model,
            "dataset": study.dataset,
            "images": study.images,
            "interval": "95%, paired percentile bootstrap over images",
            "transforms": list(dict.fromkeys(effect.transform for effect in study.effects)),
            "switches": [d.record(("name", "before", "after"), vars(s)) for s in study.listed],
            "effects": lines,
        },
    )


def legend(study: Ablation) -> str:
    """Say how to read the tables."""
    whole = any(effect.kind == "all" for effect in study.effects)
    changed = any(effect.transform != "none" for effect in study.effects)
    alone = any(effect.note == NOT_ALONE for effect in study.effects)
    return (
        f"Change of the mean against {study.before} when one difference alone is switched, with "
        "its 95% interval (paired widened percentile bootstrap over images, not corrected for "
        "the number of comparisons); bold where it excludes 0. "
        + "An image's value on a transform is the mean of its variations. "
        * changed
        + "Units are those of the headings. '-': the "
        f"switch cannot move the number. 'unchanged': by no more than {ROUNDING:g} in any image. "
        + f"'{NOT_ALONE}': explaining again is not defined in a BatchNorm group. " * alone
        + "Interaction: all of them minus the sum of the rows above, 'none' likewise. " * whole
        + f"Sorted by the largest change, relative to the metric's largest {study.before} mean."
    )


def records(study: Ablation) -> list[dict[str, Any]]:
    """One record an effect in printed units, keys `FIELDS`; within a kind the largest first.

    `units` is the metric's printed form, as in `tables.csv` (`average_drop_bar` is 100 - AD%).
    """
    nothing = dict.fromkeys(("switch", "before", "after"), "")
    switches = {switch.name: vars(switch) | {"switch": switch.name} for switch in study.listed}
    order = {key: i for i, key in enumerate(dict.fromkeys(map(_group, study.effects)))}
    ordered = sorted(
        study.effects,
        key=lambda e: (order[_group(e)], _KINDS.index(e.kind), -abs(e.change or 0.0)),
    )
    return [
        d.record(
            FIELDS,
            vars(effect),
            switches.get(effect.switch, nothing),
            _printed(study, effect)._asdict(),
            units=study.column(effect.metric).paper,
        )
        for effect in ordered
    ]


def _group(effect: Effect) -> tuple[str, str, str, str]:
    return effect.target, effect.transform, effect.metric, effect.method


class _Printed(NamedTuple):
    """An effect's numbers in printed units; None where there are none."""

    mean: float | None
    change: float | None
    low: float | None
    high: float | None


def _printed(study: Ablation, effect: Effect) -> _Printed:
    column = study.column(effect.metric)
    change, low, high = (
        None if value is None else column.scale * value
        for value in (effect.change, effect.low, effect.high)
    )
    if column.scale < 0:  # 100 - AD% turns the interval round
        low, high = high, low
    return _Printed(None if effect.mean is None else column.printed(effect.mean), change, low, high)


def _sections(study: Ablation) -> Iterator[d.Section]:
    """All tables: over the methods where there are several, then one a method and target."""
    methods = list(dict.fromkeys(effect.method for effect in study.effects))
    groups = dict.fromkeys((effect.target, effect.transform) for effect in study.effects)
    for (target, transform), method in product(groups, [""] * (len(methods) > 1) + methods):
        effects = [
            effect
            for effect in study.effects
            if (effect.target, effect.transform) == (target, transform)
            and method in ("", effect.method)
        ]
        if effects:
            what = study.catalog.label(method) if method else "Largest change over methods"
            title = f"{what}, {target_name(target, transform)}"
            yield d.Section(title, (_grid(study, effects, method, transform),))


def _grid(study: Ablation, effects: Sequence[Effect], method: str, transform: str) -> d.Grid:
    """The table of a method, or of all of them where it is ""."""
    metrics = list(dict.fromkeys(effect.metric for effect in effects))
    held: dict[tuple[str, str], list[Effect]] = {}
    for effect in effects:
        held.setdefault((effect.switch, effect.metric), []).append(effect)
    switches = [
        switch
        for switch in study.listed
        if (not method or method in switch.methods) and transform in switch.transforms
    ]
    rows = {FROM: d.Row(study.before, "mean")} if method else {}
    for switch in _by_size(study, effects, switches):
        rows[switch.name] = d.Row(switch.name, f"{switch.before} -> {switch.after}")
    if any(effect.kind == "all" for effect in effects):
        rows |= {ALL: d.Row(ALL, study.after)}
        rows |= {INTERACTION: d.Row(INTERACTION)} if method else {}
    columns = [d.Column(study.column(metric).header) for metric in metrics]
    start = {} if method else {m: held[FROM, m] for m in metrics}
    cells = [
        [_cell(study, held.get((name, m), []), start.get(m)) for m in metrics] for name in rows
    ]
    return d.Grid(("",), columns, list(rows.values()), cells, widest=_LABEL)


def _by_size(study: Ablation, effects: Sequence[Effect], switches: list[Listed]) -> list[Listed]:
    """Largest first: a row's size is its largest change, relative to the metric's largest mean."""
    largest: dict[str, float] = {}
    for effect in study.effects:
        if effect.kind == "from":
            mean = abs(_printed(study, effect).mean or 0.0)
            largest[effect.metric] = max(mean, largest.get(effect.metric, 0.0))
    sizes = {switch.name: 0.0 for switch in switches}
    for effect in effects:
        if effect.kind == "switch":
            size = abs(_printed(study, effect).change or 0.0) / (largest.get(effect.metric) or 1.0)
            sizes[effect.switch] = max(sizes[effect.switch], size)
    return sorted(switches, key=lambda switch: sizes[switch.name], reverse=True)


def _cell(study: Ablation, some: list[Effect], start: list[Effect] | None) -> d.Cell:
    """One method's effect, or the largest of several with their means at the start."""
    if not some:
        return d.Cell(MISSING)
    return _only(study, some[0]) if start is None else _most(study, some, start)


def _only(study: Ablation, effect: Effect) -> d.Cell:
    """One effect in words."""
    printed, flags = _printed(study, effect), _flags(effect, study.images)
    digits = study.column(effect.metric).digits + 1  # one more than elsewhere: changes are small
    if effect.note:
        return d.Cell(effect.note, flags=flags if effect.n else ())
    if effect.kind == "from":
        return d.Cell(number(printed.mean, digits), flags=flags)
    if printed.change is None:
        return d.Cell("no value", flags=flags)
    ends = interval(printed.low, printed.high, digits)
    tone: d.Tone = "strong" if effect.firm else ""
    return d.Cell(signed(printed.change, digits), ends, flags=flags, tone=tone)


def _flags(effect: Effect, images: int) -> list[str]:
    flags = [f"{effect.n_constant} const"] if effect.n_constant else []
    return flags + [f"n {effect.n}"] * (effect.n != images)


def _most(study: Ablation, some: list[Effect], start: list[Effect]) -> d.Cell:
    """The largest of the methods' effects in words, and how many are beyond doubt."""
    known = [effect for effect in some if effect.change is not None]
    if not known:
        return d.Cell(some[0].note or "no value")
    most = max(known, key=lambda effect: abs(effect.change or 0.0))
    text = _only(study, most).text
    if most.note:
        return d.Cell(text)
    firm = sum(effect.firm for effect in known)
    flags = [f"{firm} of {len(known)} exclude 0"]
    order = _order_kept(start, known)
    if order is not None:
        flags.append(f"order tau {order:.2f}")
    name = study.catalog.label(most.method)
    return d.Cell(f"{text} {name}", flags=flags, tone="strong" if most.firm else "")


def _order_kept(before: Sequence[Effect], after: Sequence[Effect]) -> float | None:
    """Kendall's tau-b between the methods' means before and after; None with fewer than three."""
    from scipy.stats import kendalltau

    start = {effect.method: effect.mean for effect in before if effect.mean is not None}
    end = start | {effect.method: effect.mean for effect in after if effect.mean is not None}
    if len(start) < 3:
        return None
    return float(kendalltau([start[m] for m in start], [end[m] for m in start]).statistic)
