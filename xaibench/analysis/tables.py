"""The paper's Tables 1-4 as data: measured cells in the paper's units, beside the paper's own.

`build_tables` does the whole report, `build_table` one table. What a table is made of stands in
`published.tables`, which of it is shown in `layout.py`, what it says about itself in
`footnotes.py`, how it looks in `report`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from xaibench.analysis.bare import from_values
from xaibench.analysis.columns import OTHER, Column
from xaibench.analysis.fill import RunWords, find_fill
from xaibench.analysis.footnotes import empty_note, table_notes
from xaibench.analysis.header import build_header
from xaibench.analysis.layout import Measured, other_columns, paper_columns, places, table_rows
from xaibench.analysis.measure import Key, Measurement, measure
from xaibench.analysis.stats import RESAMPLES, SEED, comparable
from xaibench.analysis.stopped import Stopped
from xaibench.analysis.types import Cell, Row, Table, TableColumn
from xaibench.config.catalog import STAND_IN, Catalog
from xaibench.errors import UsageError
from xaibench.published.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

Paper = dict[tuple[int, str, str, str, str], tuple[float, str]]


def build_table(
    scores: pd.DataFrame,
    number: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    catalog: Catalog | None = None,
) -> Table:
    """Build one table from the tidy frame of scores.

    Args:
        scores: one row an image, method, target, transform, variation and metric.
        number: 1-4, or 0 for what Tables 1-4 have no column for.
        resamples: bootstrap resamples of each interval.
        seed: seed of the bootstrap.
        catalog: what the run's methods and metrics are; by default what is shipped, and what the
            values give away.

    Raises:
        XaibenchError: unknown table, no scores, or scores of more than one run.
    """
    return build_tables(scores, [number], resamples=resamples, seed=seed, catalog=catalog)[0]


def build_tables(
    scores: pd.DataFrame,
    numbers: Iterable[int] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    run: RunWords | None = None,
    catalog: Catalog | None = None,
    stopped: Stopped | None = None,
    beside: bool = True,
) -> list[Table]:
    """Build the tables `numbers`, or by default those that the scores have something new for.

    Table 2 repeats Table 1 where only the ground-truth class was explained: then it is built only
    when asked for. `run` are the options that name the run directory (`fill.run_words`); `catalog`
    is what its methods and metrics declare (`store.catalog.catalog_in`), by default what is shipped
    and what the values give away; `stopped` how it came to its images, where it stopped when sure.
    `beside`: whether the paper's numbers stand beside ours.

    Raises:
        XaibenchError: unknown table, no scores, or scores of more than one run.
    """
    asked = None if numbers is None else list(dict.fromkeys(numbers))
    for number in asked or ():
        if number not in TABLES and number != OTHER:
            raise UsageError(
                f"no table {number}: the paper has tables {', '.join(map(str, TABLES))}"
            )
    build_header(scores)
    catalog = catalog or from_values(scores)
    measured = measure(scores, resamples=resamples, seed=seed, catalog=catalog, stopped=stopped)
    paper = _paper() if beside else {}
    if asked is not None:
        tables = [_table(measured, paper, number, catalog) for number in asked]
    else:
        tables = [_table(measured, paper, number, catalog) for number in (*TABLES, OTHER)]
        tables = [table for table in tables if _has_news(table)]
    labelled = bool((scores["label"] >= 0).any()) and (run is None or run.labelled)
    return [_with_fill(table, measured, catalog, labelled, run) for table in tables]


def _has_news(table: Table) -> bool:
    targets = {column.target for column in table.columns}
    return bool(table.rows) and not (table.number == 2 and targets == {"ground_truth"})


def _with_fill(
    table: Table, measured: Measured, catalog: Catalog, labelled: bool, run: RunWords | None
) -> Table:
    if table.number == OTHER:
        return table
    methods = [r.method for r in table.rows if not catalog.method(r.method).elsewhere]
    fill = find_fill(table.number, catalog, measured, methods, labelled, run)
    return replace(table, fill=fill)


def _table(measured: Measured, paper: Paper, number: int, catalog: Catalog) -> Table:
    title = TABLES[number].title if number != OTHER else "Other metrics, natural units"
    columns = other_columns(measured, catalog)
    if number != OTHER:
        columns = paper_columns(measured, number, catalog)
    shown = {(column.column.metric, column.target, column.transform) for column in columns}
    keys = [key for key in measured if (key.metric, key.target, key.transform) in shown]
    rows = table_rows((key.method for key in keys), catalog)
    if not rows:
        return Table(number, title, (), (), (), (empty_note(number),))
    cells = [
        [_cell(measured.get(_key(row, column)), paper, number, row, column) for column in columns]
        for row in rows
    ]
    for index, column in enumerate(columns):
        if catalog.metric(column.column.metric).explains != STAND_IN:
            _mark_places(cells, index, column.column)
    usual = Counter(cell.n for line in cells for cell in line if cell and cell.n)
    table = Table(
        number=number,
        title=title,
        rows=rows,
        columns=columns,
        cells=tuple(tuple(line) for line in cells),
        notes=(),
        images=usual.most_common(1)[0][0] if usual else 0,
    )
    return replace(table, notes=table_notes(table, {key: measured[key] for key in keys}, catalog))


def _key(row: Row, column: TableColumn) -> Key:
    return Key(row.method, column.target, column.transform, column.column.metric)


def _cell(
    measurement: Measurement | None, paper: Paper, number: int, row: Row, column: TableColumn
) -> Cell | None:
    if measurement is None:
        return None
    key = (number, row.method, column.target, column.transform, column.column.paper)
    printed, note = paper.get(key, (None, ""))
    mean, low, high = (
        None if value is None else column.column.printed(value)
        for value in (measurement.mean, measurement.low, measurement.high)
    )
    if low is not None and high is not None and low > high:  # 100 - AD% turns the interval round
        low, high = high, low
    return Cell(
        mean=mean,
        low=low,
        high=high,
        n=measurement.n,
        n_constant=measurement.n_constant,
        n_left_out=measurement.n_left_out,
        paper=printed,
        difference=None if mean is None or printed is None else mean - printed,
        paper_note=note,
        unsure=measurement.unsure,
        points=measurement.points,
        remark="" if measurement.points is None else f"until {measurement.points:g}",
    )


def _mark_places(cells: list[list[Cell | None]], index: int, column: Column) -> None:
    held = [line[index] for line in cells]
    enough = comparable([cell.n if cell else 0 for cell in held])
    means = [cell.mean if cell and ok else None for cell, ok in zip(held, enough, strict=True)]
    for line, rank in zip(cells, places(means, column), strict=True):
        cell = line[index]
        if cell is not None and rank:
            line[index] = replace(cell, place=rank)


def _paper() -> Paper:
    from xaibench.published import paper_tables

    return {
        (int(number), method, target, transform, metric): (float(value), note)
        for number, method, target, transform, metric, value, note in paper_tables().itertuples(
            index=False, name=None
        )
    }
