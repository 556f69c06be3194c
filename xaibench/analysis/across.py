"""Does a ranking hold in other runs: another network, protocol or data, and the paper's tables?

By every metric the methods are ranked that all runs have which rank by it. An image that several
runs have is in a resample of all of them equally often, so that what is hard for all networks moves
no rank; images of one run alone are drawn without regard to the others. A pair of methods that has
to differ in every run needs no correction for the number of runs: all of the tests have to find it
(intersection-union; Berger 1982, Technometrics 24, 295-300).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from xaibench.analysis.columns import Column, column_of, is_printed, paper_column
from xaibench.analysis.compare import Source
from xaibench.analysis.concord import Concord, Order, concord, known, measured
from xaibench.analysis.header import PAPER_IMAGES
from xaibench.analysis.kept import Kept, kept_pairs
from xaibench.analysis.layout import table_rows
from xaibench.analysis.measure import Group, image_names
from xaibench.analysis.ranks import (
    Ranked,
    Values,
    cells_of,
    main_target,
    order,
    ranks,
    resampled,
    values,
    why_not,
)
from xaibench.analysis.stats import RESAMPLES, SEED, Floats
from xaibench.config.catalog import Catalog
from xaibench.config.declared import of_protocol
from xaibench.config.protocol import load_protocol
from xaibench.errors import XaibenchError
from xaibench.published import printed_rows

PAPER = "paper"
"""The name of the ranking that the paper prints."""
ABSENT = "not scored"
ALONE = "no other run to compare with"
FEW = "fewer than two methods in common"

Cells = Mapping[str, Mapping[str, Group]]


@dataclass(frozen=True)
class Ordered:
    """One metric: a ranking by name of the run, the paper's (`PAPER`) last where it prints one.

    taus: of every two rankings. pairs: every two methods. absent: runs without a ranking by it,
    and why. lost: methods that some of the runs alone have, and which ones lack them.
    """

    column: Column
    rankings: Mapping[str, Ranked]
    taus: tuple[Concord, ...]
    pairs: tuple[Kept, ...]
    absent: Mapping[str, str]
    lost: Mapping[str, tuple[str, ...]]

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that are ranked."""
        return tuple(next(iter(self.rankings.values())).ranks)

    def unsure(self, one: Concord) -> bool:
        """Whether one of two rankings is of too few images."""
        return any(self.rankings[name].unsure for name in (one.first, one.second))


@dataclass(frozen=True)
class Across:
    """Rankings of several runs, on untouched images of one target.

    runs: the runs by short names. unranked: (metric's header, why) of metrics that rank nothing in
    two runs. images: how many each run has. shared: images that all runs have.
    """

    target: str
    runs: Mapping[str, Source]
    metrics: tuple[Ordered, ...]
    unranked: tuple[tuple[str, str], ...]
    images: Mapping[str, int]
    shared: int
    catalog: Catalog

    @property
    def two_and_two(self) -> list[tuple[str, str]]:
        """Every two rankings by name: of runs, then of a run and the paper."""
        held = {(one.first, one.second) for metric in self.metrics for one in metric.taus}
        names = [*self.runs, PAPER]
        return sorted(held, key=lambda pair: (pair[1] == PAPER, *map(names.index, pair)))

    @property
    def stood_in(self) -> list[str]:
        """Metrics with a ranking of the paper's in which a gradient stood in for each method."""
        printed = of_protocol(load_protocol("published").model_dump(mode="json"))
        return [
            metric.column.header
            for metric in self.metrics
            if PAPER in metric.rankings and why_not(printed.metric(metric.column.metric))
        ]


def across(
    sources: Sequence[Source], *, paper: bool = True, resamples: int = RESAMPLES, seed: int = SEED
) -> Across:
    """Rank the methods of several runs, for the first target that all of them have.

    Args:
        sources: two runs or more; they are called A, B, C, ...
        paper: whether the paper's printed values are one more ranking.
        resamples: number of bootstrap resamples.
        seed: same seed, same numbers.

    Raises:
        XaibenchError: the runs have no target in common, or no two methods that two of them rank.
    """
    runs = {_letter(i): source for i, source in enumerate(sources)}
    plain = {x: s.scores[s.scores["transform"] == "none"] for x, s in runs.items()}
    target = main_target(
        set.intersection(*(set(map(str, frame["target"].unique())) for frame in plain.values()))
    )
    if not target:
        raise XaibenchError("these runs share no target on untouched images: name others.")
    some = {x: frame[frame["target"] == target] for x, frame in plain.items()}
    cells = {x: cells_of(frame, runs[x].known) for x, frame in some.items()}
    names = {x: image_names(frame) for x, frame in some.items()}
    place = {name: i for i, name in enumerate(sorted(set().union(*names.values())))}
    places = {x: np.array([place[name] for name in held]) for x, held in names.items()}
    catalog = next(iter(runs.values())).known
    for source in runs.values():
        catalog = catalog.over(source.known)
    unranked: list[tuple[str, str]] = []
    kept: dict[str, dict[str, Values]] = {}
    for metric in sorted(set().union(*cells.values()), key=order):
        absent = _absent(metric, runs, cells)
        held = _common({x: cells[x][metric] for x in runs if x not in absent}, runs, metric)
        if len(held) > 1:
            kept[metric] = held
        else:
            few = FEW if len(runs) - len(absent) > 1 else ALONE
            left = dict.fromkeys(runs.keys() - absent.keys(), few)
            unranked.append((column_of(metric, catalog, 1.0).header, _reasons(absent | left)))
    if not kept:
        raise XaibenchError(
            "no metric ranks two methods that these runs have in common: score the same methods "
            "and metrics in each."
        )
    every = {(x, metric): one for metric, held in kept.items() for x, one in held.items()}
    at = {k: replace(one, images=places[k[0]][one.images]) for k, one in every.items()}
    drawn = resampled(at, len(place), resamples, seed)
    rows = [r.method for r in table_rows({m for v in at.values() for m in v.methods}, catalog)]
    pairs = kept_pairs(at, rows, resamples, seed)
    many = sum(len(one.methods) for one in every.values())
    metrics = []
    for metric, held in kept.items():
        printed = _printed(metric, target, held, catalog) if paper else None
        column = _column(metric, held, catalog)
        found = held | ({PAPER: printed} if printed else {})
        means = {x: drawn.get((x, metric), found[x].values) for x in found}
        metrics.append(
            Ordered(
                column,
                {x: _ranked(x, column, one, means[x], many) for x, one in found.items()},
                tuple(_concords(found)),
                tuple(replace(one, paper=_sign(printed, one)) for one in pairs[metric]),
                _absent(metric, runs, cells),
                _lost({x: cells[x][metric] for x in held}, held),
            )
        )
    shared = len(set.intersection(*map(set, names.values())))
    images = {x: len(held) for x, held in names.items()}
    return Across(target, runs, tuple(metrics), tuple(unranked), images, shared, catalog)


def _letter(place: int) -> str:
    return chr(ord("A") + place % 26) + str(place // 26 or "")


def _absent(metric: str, runs: Mapping[str, Source], cells: Mapping[str, Cells]) -> dict[str, str]:
    """Runs that rank nothing by a metric, and why."""
    known = {
        x: why_not(runs[x].known.metric(metric)) if metric in cells[x] else ABSENT for x in runs
    }
    return {x: reason for x, reason in known.items() if reason}


def _reasons(absent: Mapping[str, str]) -> str:
    """Why runs have no ranking: `A, B: not scored`."""
    by: dict[str, list[str]] = {}
    for run in sorted(absent, key=lambda x: (x[1:], x)):
        by.setdefault(absent[run], []).append(run)
    return "; ".join(f"{', '.join(runs)}: {reason}" for reason, runs in by.items())


def _common(cells: Cells, runs: Mapping[str, Source], metric: str) -> dict[str, Values]:
    """The values in each run of the methods that all of them rank; nothing with fewer than two."""
    direction = {x: runs[x].known.metric(metric).direction for x in cells}
    both = set.intersection(*map(set, cells.values())) if cells else set()
    while len(both) > 1:
        held = {x: values({m: found[m] for m in both}, direction[x]) for x, found in cells.items()}
        ranked = set.intersection(*(set(one.methods) for one in held.values()))
        if ranked == both:
            return held
        both = ranked
    return {}


def _lost(cells: Cells, held: Mapping[str, Values]) -> dict[str, tuple[str, ...]]:
    """Methods without a rank, and the runs that lack them; none where they have too few images."""
    ranked = next(iter(held.values())).methods
    others = sorted(set().union(*cells.values()) - set(ranked))
    return {m: tuple(x for x, found in cells.items() if m not in found) for m in others}


def _column(metric: str, held: Mapping[str, Values], catalog: Catalog) -> Column:
    return column_of(metric, catalog, max(np.abs(v.values.mean(0)).max() for v in held.values()))


def _printed(
    metric: str, target: str, held: Mapping[str, Values], catalog: Catalog
) -> Values | None:
    """The paper's printed values as those of one image; None for fewer than two of the methods."""
    if not is_printed(metric, catalog):
        return None
    column = paper_column(metric, catalog)
    key = (column.paper, target, "none")
    cells = {  # Tables 1 and 2 print the same cells, IG's insertion unlike; the first one's stand
        row["method"]: float(row["value"])
        for row in reversed(printed_rows())
        if (row["metric"], row["target"], row["transform"]) == key
    }
    methods = tuple(m for m in next(iter(held.values())).methods if m in cells)
    row = np.array([[cells[m] for m in methods]]) * (1.0 if column.higher_is_better else -1.0)
    return Values(methods, np.zeros(1, np.int64), row) if len(methods) > 1 else None


def _sign(printed: Values | None, pair: Kept) -> int | None:
    """Which of two methods the paper prints the better value of."""
    if printed is None or not {pair.first, pair.second} <= set(printed.methods):
        return None
    one, two = (printed.values[0, printed.methods.index(m)] for m in (pair.first, pair.second))
    return int(np.sign(one - two))


def _ranked(run: str, column: Column, one: Values, means: Floats, many: int) -> Ranked:
    n = PAPER_IMAGES if run == PAPER else len(one.images)
    return Ranked(column, n, dict(zip(one.methods, ranks(one, means, many), strict=True)))


def _concords(held: Mapping[str, Values]) -> Iterator[Concord]:
    """The taus of every two rankings."""
    orders = {x: _order(x, one) for x, one in held.items()}
    for one, two in combinations(orders, 2):
        yield concord((one, two), orders[one], orders[two])


def _order(run: str, one: Values) -> Order:
    return known(one.methods, one.values[0]) if run == PAPER else measured(one.methods, one.values)
