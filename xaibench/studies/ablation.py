"""What an ablation consists of: cells, switches, and where the scores of each pair lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

from xaibench.config.early import check_early
from xaibench.config.protocol import Protocol, load_protocol
from xaibench.config.reach import Cell, Counts, moves
from xaibench.config.requests import (
    MethodRequest,
    MetricRequest,
    TransformRequest,
    check_protocol,
    resolve_methods,
    resolve_metrics,
    resolve_transforms,
)
from xaibench.config.run import RunConfig
from xaibench.config.switches import Asked, Switch, applied, asked, asked_transforms, differences
from xaibench.errors import UsageError, fold, unknown


@dataclass(frozen=True)
class Place:
    """Where the scores of a cell lie: a run directory's name and canonical specs."""

    directory: str
    method: str
    metric: str
    target: str
    transform: str = "none"


@dataclass(frozen=True)
class Job:
    """One `xaibench run`: every method with every metric, target and transform."""

    directory: str
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    targets: tuple[str, ...]
    transforms: tuple[str, ...] = ("none",)


@dataclass(frozen=True)
class Study:
    """What an ablation consists of. config: options of the runs, its protocol the first one.

    counts: how many images there are. whole: no difference was left out by name, so that the
    second protocol itself is measured too. home: the first protocol's run directory, where it is
    not one below `root` as the others are.
    """

    config: RunConfig
    root: Path
    before: Protocol
    after: Protocol
    after_source: str
    switches: tuple[Switch, ...]
    cells: tuple[Cell, ...]
    counts: Counts
    whole: bool
    home: Path | None = None

    @property
    def first(self) -> str:
        """The directory of the first protocol, by name."""
        return directory_name(self.before.name)

    def at(self, name: str) -> Path:
        """The run directory of a name."""
        return self.home if self.home and name == self.first else self.root / name

    def moving(self, cell: Cell) -> list[Switch]:
        """The switches that alone can change a cell."""
        return self._moving[0][cell]

    def together(self, cell: Cell) -> list[Switch]:
        """These, and those that can once all others are switched (BatchNorm groups in eval)."""
        alone, after = (held[cell] for held in self._moving)
        return [switch for switch in self.switches if switch in alone or switch in after]

    @cached_property
    def _moving(self) -> list[dict[Cell, list[Switch]]]:
        """What moves each cell from the first protocol on, and from the second."""
        return [
            {c: [s for s in self.switches if moves(s, c, p, self.counts)] for c in self.cells}
            for p in (self.before, self.after)
        ]

    def concerned(self, cell: Cell) -> bool:
        """Whether anything is compared in a cell."""
        return bool(self.moving(cell) or (self.whole and self.together(cell)))

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
        return resolved(self.before, cell).place

    def switched(self, cell: Cell, switch: Switch) -> Place | None:
        """Where a cell's scores under one switch are; None where there can be none.

        Then the switch makes them another quantity, or cannot be used without others.
        """
        if switch.redefines:
            return None
        if switch.whole_run:
            found = resolved(self.derived[switch], cell)
        else:
            found = resolved(self.before, cell, switch)
        return found.place if found.possible else None

    def everything(self, cell: Cell) -> Place | None:
        """Where a cell's scores under all switches are; those of the only one where it is one."""
        together = self.together(cell)
        if any(switch.redefines for switch in together):
            return None
        if len(together) == 1 and self.moving(cell) == together:
            return self.switched(cell, together[0])
        found = resolved(self.after, cell)
        return found.place if found.possible else None

    def places(self) -> Iterator[Place]:
        """All scores that are needed; only of cells that something moves."""
        for cell in filter(self.concerned, self.cells):
            places = [self.switched(cell, switch) for switch in self.moving(cell)]
            places += [self.everything(cell)] if self.whole else []
            yield self.base(cell)
            yield from (place for place in places if place)


def study(config: RunConfig, after: str, only: Iterable[str] = ()) -> Study:
    """What it takes to go from config.protocol to the protocol `after`, one switch at a time.

    only: names of the switches to look at; all without any. Raises UsageError for unknown names
    and for protocols that share a name.
    """
    from xaibench.datasets.load import load_dataset
    from xaibench.datasets.select import ordered

    if config.overwrite:
        raise UsageError("ablate does not overwrite: delete its directory, or name another --out.")
    check_early(config)
    first, second = load_protocol(config.protocol), load_protocol(after)
    for protocol in (first, second):
        check_protocol(protocol)
    methods, metrics = asked("methods", config.method), asked("metrics", config.metric)
    transforms = asked_transforms(config.transform)
    switches = differences(first, second, methods, metrics, transforms)
    switches = [s for s in switches if _free(s, [*methods, *metrics, *transforms])]
    chosen = _chosen(switches, only)
    if chosen and directory_name(first.name) == directory_name(second.name):
        raise UsageError(f"both protocols are called {first.name}: give one another `name:`.")
    if config.order != "dataset":
        raise UsageError("an ablation takes the dataset's order: drop --order and --until.")
    dataset = load_dataset(config.data_name, config.classes)
    targets = config.target or (("ground_truth",) if dataset.labelled else ("predicted",))
    cells = tuple(  # in the order of their tables
        Cell(method, metric, target, transform)
        for target, transform, method, metric in product(targets, transforms, methods, metrics)
    )
    whole = len(chosen) == len(switches)
    subset = ordered(dataset, config.subset, config.per_class, config.seed)
    counts = Counts(len(dataset), None if subset.whole else len(subset.places))
    named = (config, directory(config, after), first, second, after)
    return Study(*named, tuple(chosen), cells, counts, whole)


def directory(config: RunConfig, after: str) -> Path:
    """Where an ablation lives: config.out, or results/ablations/<data>-<model>-<from>-to-<to>."""
    if config.out:
        return config.out
    run_name = config.model_copy(update={"out": None}).directory.name
    return Path("results/ablations") / f"{run_name}-to-{Path(fold(after)).stem}"


def _free(switch: Switch, given: Iterable[Asked]) -> bool:
    """Whether something asked for leaves an option of the switch to the protocol."""
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


@dataclass(frozen=True)
class Resolved:
    """A cell as a protocol has it, perhaps with one switch."""

    protocol: Protocol
    method: MethodRequest
    metric: MetricRequest
    target: str
    transform: TransformRequest | None

    @property
    def place(self) -> Place:
        """Where its scores lie."""
        transform = self.transform.spec if self.transform else "none"
        name = directory_name(self.protocol.name)
        return Place(name, self.method.spec, self.metric.spec, self.target, transform)

    @property
    def possible(self) -> bool:
        """False where perturbed inputs must be explained but have no BatchNorm group."""
        if self.transform is None or not self.method.groups or "explain" not in self.metric.needs:
            return True
        method, key = self.method.entry.key, self.transform.entry.key
        names = self.transform.variations
        return all(self.protocol.batchnorm_group(method, key, name) == 1 for name in names)


def resolved(protocol: Protocol, cell: Cell, switch: Switch | None = None) -> Resolved:
    """A cell under a protocol, with the options of one switch that are not whole runs'."""
    held = {"methods": cell.method, "metrics": cell.metric, "transforms": cell.transform}
    specs = {
        kind: one.changed(switch.free(one)) if switch and switch.section == kind else one.text
        for kind, one in held.items()
    }
    return Resolved(
        protocol,
        resolve_methods([specs["methods"]], protocol)[0],
        resolve_metrics([specs["metrics"]], protocol)[0],
        cell.target,
        next(iter(resolve_transforms([specs["transforms"]], protocol).values())),
    )


def directory_name(name: str) -> str:
    """A protocol's name as a directory's."""
    return "".join(c if c.isalnum() or c in "._-+=" else "_" for c in name)


def jobs(places: Iterable[Place]) -> list[Job]:
    """The places as few runs, none of which computes what is not among them."""
    metrics: dict[tuple[str, str, str, str], dict[str, None]] = {}
    for place in places:
        at = (place.directory, place.method, place.target, place.transform)
        metrics.setdefault(at, {})[place.metric] = None
    targets: dict[tuple[str, str, str, tuple[str, ...]], list[str]] = {}
    for (directory, method, target, transform), asked_for in metrics.items():
        scored = tuple(sorted(asked_for))
        targets.setdefault((directory, method, transform, scored), []).append(target)
    transforms: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (directory, method, transform, scored), aimed in targets.items():
        transforms.setdefault((directory, method, scored, tuple(aimed)), []).append(transform)
    methods: dict[tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (directory, method, scored, aimed_at), changed in transforms.items():
        methods.setdefault((directory, scored, aimed_at, tuple(changed)), []).append(method)
    return [Job(d, tuple(names), m, t, c) for (d, m, t, c), names in methods.items()]
