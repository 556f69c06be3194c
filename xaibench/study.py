"""What an ablation consists of: cells, switches, and where the scores of each pair lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

from xaibench.config import Protocol, RunConfig, load_protocol
from xaibench.errors import UsageError, fold, unknown
from xaibench.names import check_names
from xaibench.requests import check_protocol, resolve_methods, resolve_metrics
from xaibench.switches import Asked, Cell, Switch, applied, asked, differences, moves


@dataclass(frozen=True)
class Place:
    """Where the scores of a cell lie: a run directory's name and canonical specs."""

    directory: str
    method: str
    metric: str
    target: str


@dataclass(frozen=True)
class Job:
    """One `xaibench run`: every method with every metric and target."""

    directory: str
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """What an ablation consists of. config: options of the runs, its protocol the first one.

    images: how many the dataset has. whole: no difference was left out by name, so that the
    second protocol itself is measured too.
    """

    config: RunConfig
    root: Path
    before: Protocol
    after: Protocol
    after_source: str
    switches: tuple[Switch, ...]
    cells: tuple[Cell, ...]
    images: int
    whole: bool

    def moving(self, cell: Cell) -> list[Switch]:
        """The switches that can change a cell."""
        return [switch for switch in self.switches if moves(switch, cell, self.images)]

    @cached_property
    def derived(self) -> dict[Switch, Protocol]:
        """The protocols with one difference that need a run of their own; named like their runs."""
        return {
            switch: applied(
                self.before,
                [switch],
                directory_name(f"{self.before.name}+{switch.name}={switch.after}"),
            )
            for switch in self.switches
            if switch.whole_run
        }

    def base(self, cell: Cell) -> Place:
        """Where the first protocol's scores of a cell are."""
        return _place(self.before, cell)

    def switched(self, cell: Cell, switch: Switch) -> Place | None:
        """Where a cell's scores under one switch are; None where they are another quantity."""
        if switch.redefines:
            return None
        if switch.whole_run:
            return _place(self.derived[switch], cell)
        return _place(self.before, cell, switch)

    def everything(self, cell: Cell) -> Place | None:
        """Where a cell's scores under all switches are; those of the only one where it is one."""
        moving = self.moving(cell)
        if any(switch.redefines for switch in moving):
            return None
        return self.switched(cell, moving[0]) if len(moving) == 1 else _place(self.after, cell)

    def places(self) -> Iterator[Place]:
        """All scores that are needed; only of cells that something moves."""
        for cell in self.cells:
            moving = self.moving(cell)
            found = [self.switched(cell, switch) for switch in moving]
            found += [self.everything(cell)] if self.whole and moving else []
            if moving:
                yield self.base(cell)
            yield from (place for place in found if place)


def study(config: RunConfig, after: str, only: Iterable[str] = ()) -> Study:
    """What it takes to go from config.protocol to the protocol `after`, one switch at a time.

    only: names of the switches to look at; all without any. Raises UsageError for unknown names
    and for protocols that share a name.
    """
    from xaibench.datasets.load import load_dataset

    if config.transform != ("none",):
        raise UsageError("ablate works on the untouched images: leave transform at none.")
    if config.overwrite:
        raise UsageError("ablate does not overwrite: delete its directory, or name another --out.")
    check_names("methods", config.method)
    check_names("metrics", config.metric)
    first, second = load_protocol(config.protocol), load_protocol(after)
    for protocol in (first, second):
        check_protocol(protocol)
    methods, metrics = asked("methods", config.method), asked("metrics", config.metric)
    switches = differences(first, second, methods, metrics)
    switches = [switch for switch in switches if _free(switch, [*methods, *metrics])]
    chosen = _chosen(switches, only)
    if chosen and directory_name(first.name) == directory_name(second.name):
        raise UsageError(f"both protocols are called {first.name}: give one another `name:`.")
    dataset = load_dataset(config.data_name)
    targets = config.target or (("ground_truth",) if dataset.labelled else ("predicted",))
    cells = tuple(Cell(*parts) for parts in product(methods, metrics, targets))
    whole = len(chosen) == len(switches)
    named = (config, directory(config, after), first, second, after)
    return Study(*named, tuple(chosen), cells, len(dataset), whole)


def directory(config: RunConfig, after: str) -> Path:
    """Where an ablation lives: config.out, or results/ablations/<data>-<model>-<from>-to-<to>."""
    if config.out:
        return config.out
    run_name = config.model_copy(update={"out": None}).directory.name
    return Path("results/ablations") / f"{run_name}-to-{Path(fold(after)).stem}"


def _free(switch: Switch, given: Iterable[Asked]) -> bool:
    """Whether some method or metric leaves an option of the switch to the protocol."""
    if switch.whole_run:
        return True
    return any(one.owner == switch.owner and switch.free(one) for one in given)


def _chosen(switches: list[Switch], only: Iterable[str]) -> list[Switch]:
    known = {fold(switch.name): switch for switch in switches}
    wanted = [fold(name) for name in only]
    for name in wanted:
        if name not in known:
            raise unknown("switch", name, [switch.name for switch in switches])
    return [switch for name, switch in known.items() if not wanted or name in wanted]


def _place(protocol: Protocol, cell: Cell, switch: Switch | None = None) -> Place:
    method, metric = cell.method, cell.metric
    values = {
        kind: switch.free(one) if switch and switch.section == kind else {}
        for kind, one in (("methods", method), ("metrics", metric))
    }
    return Place(
        directory_name(protocol.name),
        resolve_methods([method.changed(values["methods"])], protocol)[0].spec,
        resolve_metrics([metric.changed(values["metrics"])], protocol)[0].spec,
        cell.target,
    )


def directory_name(name: str) -> str:
    """A protocol's name as a directory's."""
    return "".join(c if c.isalnum() or c in "._-+=" else "_" for c in name)


def jobs(places: Iterable[Place]) -> list[Job]:
    """The places as few runs, none of which computes what is not among them."""
    metrics: dict[tuple[str, str, str], dict[str, None]] = {}
    for place in places:
        key = (place.directory, place.method, place.target)
        metrics.setdefault(key, {})[place.metric] = None
    targets: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (directory, method, target), asked_for in metrics.items():
        targets.setdefault((directory, method, tuple(sorted(asked_for))), []).append(target)
    methods: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (directory, method, scored), aimed in targets.items():
        methods.setdefault((directory, scored, tuple(aimed)), []).append(method)
    return [Job(d, tuple(names), m, t) for (d, m, t), names in methods.items()]
