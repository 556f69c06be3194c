"""The parts of a table, as every format reads them."""

from __future__ import annotations

from dataclasses import dataclass

from xaibench.analysis.columns import Column
from xaibench.published.tables import TABLES


@dataclass(frozen=True)
class Cell:
    """One number of a table, in the paper's units.

    Attributes:
        mean, low, high: mean and 95% interval over images; None where unknown.
        unsure: whether such an interval holds the mean in under 90% of the cases.
        n: images in the mean.
        n_constant: rows in the mean whose map is constant.
        n_left_out: rows that are not in the mean, by status.
        paper: the paper's printed number, None where it has none.
        difference: mean minus paper.
        paper_note: what is odd about the printed number ("" for nearly all).
        place: 1 for the best of its column, 2 for the second, else 0.
        remark: what else stands beside the number.
        points: within so many the interval was to be for the run to stop; None where it was not.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    n_constant: int
    n_left_out: dict[str, int]
    paper: float | None = None
    difference: float | None = None
    paper_note: str = ""
    place: int = 0
    unsure: bool = False
    remark: str = ""
    points: float | None = None


@dataclass(frozen=True)
class Row:
    """One method: its canonical spec, its title and its family's heading."""

    method: str
    label: str
    family: str


@dataclass(frozen=True)
class TableColumn:
    """One column; neighbours with the same `group` stand under one heading ("" for none)."""

    column: Column
    target: str
    transform: str
    group: str


@dataclass(frozen=True)
class Fill:
    """What a table lacks of the paper's.

    Attributes:
        missing: cells that nothing was scored for.
        cells: cells of the whole table.
        command: the command that fills them, quoted for a shell.
        complete: whether it names the run; else the reader has to add --out and the like.
        failed: methods and metrics that it leaves alone, since they have failed.
    """

    missing: int
    cells: int
    command: str
    complete: bool
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table: `cells[row][column]`, None where nothing was scored.

    `images` is the usual n of its cells; `fill` says which command makes the table whole.
    """

    number: int
    title: str
    rows: tuple[Row, ...]
    columns: tuple[TableColumn, ...]
    cells: tuple[tuple[Cell | None, ...], ...]
    notes: tuple[str, ...]
    images: int = 0
    fill: Fill | None = None

    @property
    def name(self) -> str:
        """Return what the table is called: "Table 1", or its title outside of the paper."""
        return f"Table {self.number}" if self.number in TABLES else self.title
