"""Does a run agree with the paper? Whether each printed number lies inside the run's interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from xaibench.analysis.columns import Column
from xaibench.analysis.compare import Source
from xaibench.analysis.measure import Key
from xaibench.analysis.stats import LEVEL
from xaibench.analysis.tables import build_tables
from xaibench.analysis.types import Cell, Row, Table
from xaibench.config.catalog import Catalog
from xaibench.errors import XaibenchError
from xaibench.published.tables import TABLES

MISS = 1.0 - LEVEL
"""Share of 95% intervals that miss although all is right."""

Verdict = Literal["inside", "outside", "unsure"]


@dataclass(frozen=True)
class Suspect:
    """A difference between the run's protocol and another one, by name, and its two values."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Printed:
    """A number of the paper beside the run's mean and interval, in the paper's units.

    verdict: whether it lies inside, give or take half of its last printed digit; unsure where the
    interval holds the mean in under 90% of the cases, or there is none. distance: from the mean,
    less that half digit, in half widths of the interval on that side (above 1: outside); None
    where it has no width, or where it is unsure. suspects: what of another protocol can move the
    mean, that first of whose numbers the largest share is outside; only of what is outside.
    """

    table: int
    row: Row
    key: Key
    column: Column
    cell: Cell
    verdict: Verdict
    distance: float | None
    suspects: tuple[Suspect, ...] = ()

    @property
    def prints_alike(self) -> bool:
        """Whether the mean is the printed number, to its last digit."""
        return abs(self.cell.difference or 0.0) <= _rounding(self.column.digits)


@dataclass(frozen=True)
class Tally:
    """How many numbers lie where, and how many of so many lie outside by chance alone.

    most: outside in at most so many with a probability of 95%; p: of as many as here, or more.
    Both are binomial, which takes the numbers to be independent.
    """

    inside: int
    outside: int
    unsure: int
    most: int
    p: float

    @property
    def decided(self) -> int:
        """Those that are not unsure."""
        return self.inside + self.outside

    @property
    def expected(self) -> float:
        """How many are outside by chance, on average."""
        return MISS * self.decided

    @property
    def by_chance(self) -> bool:
        """Whether chance alone explains as many."""
        return self.outside <= self.most


@dataclass(frozen=True)
class Moved:
    """A difference between protocols: how many decided numbers it can move, and can not.

    Of both, how many lie outside.
    """

    suspect: Suspect
    can: int
    outside: int
    cannot: int
    outside_of_others: int


@dataclass(frozen=True)
class Verified:
    """What a run says of the paper's numbers. moved: None where the run's protocol is not known."""

    tables: tuple[Table, ...]
    printed: tuple[Printed, ...]
    moved: tuple[Moved, ...] | None
    catalog: Catalog

    def tally(self, table: int | None = None) -> Tally:
        """Of one table's numbers, or of all."""
        return tally(one.verdict for one in self.printed if table in (None, one.table))

    @property
    def outliers(self) -> list[Printed]:
        """What lies outside, farthest first; before all others where there is no spread at all."""
        found = [one for one in self.printed if one.verdict == "outside"]
        return sorted(found, key=lambda one: -(one.distance or float("inf")))


def verify(source: Source) -> Verified:
    """Set the paper's numbers of Tables 1-4 against a run's intervals.

    A mean that two tables print counts once, by the first. Metrics that measure here
    something else than what is printed are not compared (`columns.is_printed`).

    Raises:
        XaibenchError: no scores, scores of more than one run, or none that the paper prints.
    """
    catalog = source.known
    tables = build_tables(source.scores, TABLES, catalog=catalog, stopped=source.stopped)
    printed = list(_printed(tables))
    if not printed:
        raise XaibenchError(
            f"{source.name} has no cell that the paper prints a number for: "
            "`xaibench run --config verify --data IMAGENET` makes those of Tables 1 and 3."
        )
    able = source.suspects(dict.fromkeys(one.key for one in printed)) if source.suspects else None
    moved = None if able is None else _moved(printed, able)
    if able is not None:
        printed = [replace(one, suspects=_ordered(one, able, moved or ())) for one in printed]
    return Verified(tuple(tables), tuple(printed), moved, catalog)


def _printed(tables: Iterable[Table]) -> Iterator[Printed]:
    """The compared numbers, one a mean."""
    seen = set()
    for table in tables:
        for row, line in zip(table.rows, table.cells, strict=True):
            for column, cell in zip(table.columns, line, strict=True):
                if cell is None or cell.mean is None or cell.paper is None:
                    continue
                key = Key(row.method, column.target, column.transform, column.column.metric)
                if key not in seen:
                    seen.add(key)
                    found = judged(cell, column.column.digits)
                    yield Printed(table.number, row, key, column.column, cell, *found)


def judged(cell: Cell, digits: int) -> tuple[Verdict, float | None]:
    """Where a cell's printed number lies, and how many half widths of the interval away."""
    mean, low, high, paper = cell.mean, cell.low, cell.high, cell.paper
    if cell.unsure or mean is None or low is None or high is None or paper is None:
        return "unsure", None
    rounding = _rounding(digits)
    gap = max(abs(paper - mean) - rounding, 0.0)
    width = high - mean if paper > mean else mean - low
    distance = gap / width if width > 0 else None if gap else 0.0
    return "inside" if low - rounding <= paper <= high + rounding else "outside", distance


def _rounding(digits: int) -> float:
    """Half of the last printed digit; what is exactly half may have been rounded either way."""
    return 0.5 * 10.0**-digits + 1e-9


def tally(verdicts: Iterable[Verdict]) -> Tally:
    """Count verdicts, and say what chance does to as many."""
    from scipy.special import bdtr, bdtrc

    counts = Counter(verdicts)
    outside, decided = counts["outside"], counts["inside"] + counts["outside"]
    most = next(k for k in range(decided + 1) if bdtr(k, decided, MISS) >= LEVEL)
    p = float(bdtrc(outside - 1, decided, MISS)) if outside else 1.0
    return Tally(counts["inside"], outside, counts["unsure"], most, p)


def _moved(printed: Sequence[Printed], able: Mapping[Key, Sequence[Suspect]]) -> tuple[Moved, ...]:
    """What each difference can move: that first of whose numbers the largest share is outside.

    Of equal shares, that which moves the fewest.
    """
    decided = [one for one in printed if one.verdict != "unsure"]
    outside = sum(one.verdict == "outside" for one in decided)
    found = []
    for suspect in dict.fromkeys(s for one in decided for s in able.get(one.key, ())):
        reached = [one for one in decided if suspect in able.get(one.key, ())]
        out = sum(one.verdict == "outside" for one in reached)
        others = len(decided) - len(reached)
        found.append(Moved(suspect, len(reached), out, others, outside - out))
    return tuple(sorted(found, key=lambda m: (-m.outside / m.can, m.can)))


def _ordered(
    one: Printed, able: Mapping[Key, Sequence[Suspect]], moved: Iterable[Moved]
) -> tuple[Suspect, ...]:
    """What can move a number that is outside, in the order of `_moved`."""
    if one.verdict != "outside":
        return ()
    own = able.get(one.key, ())
    return tuple(m.suspect for m in moved if m.suspect in own)
