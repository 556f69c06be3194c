"""The switches of a check: protocol differences and tie orders, and where their scores will lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from xaibench.config.reach import Cell
from xaibench.config.requests import resolve_metrics
from xaibench.config.specs import parse
from xaibench.config.switches import Switch
from xaibench.registry.files import located
from xaibench.studies.ablation import Place, Study, study
from xaibench.studies.check.asked import Check, Left
from xaibench.studies.check.passes import of_study, scoring

_RUNS = ("preprocessing", "probability")
ALL, TIES = "all", "ties"
"""Words of --switch beside the names of differences."""


@dataclass(frozen=True)
class Turn:
    """Where a method's scores by a metric of the protocol lie under one switch.

    label: the switch with both values in words.
    """

    label: str
    method: str
    metric: str
    place: Place


@dataclass(frozen=True)
class Turns:
    """All of a check, and the ablation that they are of.

    base, passes: an image's under the protocol itself, and with all that is switched.
    """

    plan: Study
    all: tuple[Turn, ...]
    left_out: Left
    base: float
    passes: float


def turns_of(check: Check, after: str | None, names: Sequence[str], skip: bool) -> Turns:
    """What is switched: differences to the protocol `after`, and orders of ties.

    names: of switches, whatever they cost; without any, those that take no more passes than the
    protocol itself does, but for options of the methods that the judged one is set beside. skip:
    none at all. Raises UsageError for an unknown name.
    """
    config = check.config.model_copy(
        update={"method": check.calls, "out": check.folder, "maps": None, "name": None}
    )
    after = check.protocol.counterpart if after is None else after
    only = [] if ALL in names else [name for name in names if name != TIES]
    plan = replace(study(config, after, only), whole=False, home=check.root)
    base = passes = of_study(plan, plan.cells)
    if skip:
        return Turns(plan, (), (("switches of the protocol", "--skip switches"),), base, base)
    found: list[Turn] = []
    left: list[tuple[str, str]] = []
    for switch in plan.switches if only or ALL in names or not names else ():
        cells = [cell for cell in plan.cells if switch in plan.moving(cell)]
        if not (names or _concerns(check, plan, switch, cells)):
            continue
        label = _label(switch.name, switch.before, switch.after)
        cost = of_study(plan, cells, switch)
        why = _why_not(check, switch, "" if names or cost <= base else f"{cost:,.0f}")
        if cells and why:
            left.append((label, why))
        elif cells:
            found += _turned(plan, label, switch, cells)
            passes += cost
    if not names or {ALL, TIES}.intersection(names):
        orders = list(_orders(check))
        others = resolve_metrics({turn.place.metric for turn in orders}, check.protocol)
        passes += len(check.methods) * scoring(others, 0.0)[0]
        found += orders
    if names and ALL not in names:
        left.append(("switches that --switch does not name", "--switch all takes them"))
    if not check.call:
        found += list(_of_maps(check, found))
    return Turns(plan, tuple(dict.fromkeys(found)), tuple(left), base, passes)


def _why_not(check: Check, switch: Switch, dear: str) -> str:
    """Why a switch is not tried; dear: its passes, where these are too many."""
    if not check.call and switch.section != "metrics":
        return "there are maps alone"
    if switch.redefines:
        return "it makes another quantity of the metric"
    return dear and f"{dear} passes an image; --switch {switch.name} takes it"


def _concerns(check: Check, plan: Study, switch: Switch, cells: Iterable[Cell]) -> bool:
    """Whether a switch is of more than the methods that the judged one is set beside."""
    mine = any(plan.base(cell).method == check.method for cell in cells)
    return mine or switch.section in (*_RUNS, "metrics")


def _label(name: str, before: str, after: str) -> str:
    return f"{name}: {before} -> {after}"


def _turned(plan: Study, label: str, switch: Switch, cells: Iterable[Cell]) -> Iterator[Turn]:
    for cell in cells:
        base, place = plan.base(cell), plan.switched(cell, switch)
        if place:
            yield Turn(label, base.method, base.metric, place)


def _orders(check: Check) -> Iterator[Turn]:
    """The other orders of equal pixels, of metrics that declare some and were given none."""
    methods = [spec for spec in check.methods if check.call or spec != check.method]
    for metric in resolve_metrics(check.config.metric, check.protocol):
        own = metric.options.get("ties")
        pinned = parse(metric.spec)[1]
        for order in metric.entry.metadata.get("orders", ()) if "ties" not in pinned else ():
            if order == own:
                continue
            values = ", ".join(f"{k}={v!r}" for k, v in {**pinned, "ties": order}.items())
            name = located(parse(metric.spec)[0], check.config.files)
            (other,) = resolve_metrics([f"{name}({values})"], check.protocol)
            label = _label(f"{metric.entry.key}.ties", str(own), order)
            for method in methods:
                place = Place(check.first, method, other.spec, check.target)
                yield Turn(label, method, metric.spec, place)


def _of_maps(check: Check, turns: Iterable[Turn]) -> Iterator[Turn]:
    """The same for maps made elsewhere, where the metric alone is another."""
    for turn in turns:
        if turn.place.directory == check.first and turn.place.method == turn.method:
            place = replace(turn.place, method=check.method)
            yield Turn(turn.label, check.method, turn.metric, place)
