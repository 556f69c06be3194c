"""Which rows and columns a table has, given what was scored; and which values lead a column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xaibench.analysis.columns import (
    TARGET_NAMES,
    Column,
    is_printed,
    natural_column,
    paper_column,
)
from xaibench.analysis.measure import Key, Measurement
from xaibench.analysis.types import Row, TableColumn
from xaibench.config.catalog import FAMILIES, Catalog
from xaibench.config.specs import key_of
from xaibench.published.tables import FORMS, METHODS, TABLES

Measured = dict[Key, Measurement]


def paper_metrics(number: int, catalog: Catalog) -> tuple[str, ...]:
    """Return the metrics of the paper's table `number` that measure here what it prints."""
    return tuple(key for key in TABLES[number].metrics if is_printed(key, catalog))


def paper_columns(measured: Measured, number: int, catalog: Catalog) -> tuple[TableColumn, ...]:
    """Return those columns of the paper's table `number` that have scores, in its order."""
    present = {(key.target, key.transform, key.metric) for key in measured}
    spec = TABLES[number]
    columns = []
    for target, transform in spec.groups():
        group = TARGET_NAMES[target] if len(spec.targets) > 1 else ""
        group = transform if len(spec.transforms) > 1 else group
        for metric in paper_metrics(number, catalog):
            if (target, transform, metric) in present:
                columns.append(TableColumn(paper_column(metric, catalog), target, transform, group))
    return tuple(columns)


def other_columns(measured: Measured, catalog: Catalog) -> tuple[TableColumn, ...]:
    """Return a column, in natural units, for all that no table of the paper has a column for."""
    covered = {
        (target, transform, metric)
        for number, spec in TABLES.items()
        for target, transform in spec.groups()
        for metric in paper_metrics(number, catalog)
    }
    largest: dict[tuple[str, str, str], float] = {}
    for key, measurement in measured.items():
        group = (key.target, key.transform, key.metric)
        if group not in covered:
            largest[group] = max(largest.get(group, 0.0), abs(measurement.mean or 0.0))
    columns = []
    for target, transform, metric in sorted(largest, key=_other_order):
        words = [TARGET_NAMES.get(target, target)] + [transform] * (transform != "none")
        column = natural_column(metric, catalog, largest[target, transform, metric])
        columns.append(TableColumn(column, target, transform, ", ".join(words)))
    return tuple(columns)


def _other_order(group: tuple[str, str, str]) -> tuple[int, str, bool, str, int, str]:
    target, transform, metric = group
    targets, metrics = list(TARGET_NAMES), list(FORMS)
    key = key_of(metric)
    return (
        targets.index(target) if target in targets else len(targets),
        target,
        transform != "none",
        transform,
        metrics.index(key) if key in metrics else len(metrics),
        metric,
    )


def table_rows(methods: Iterable[str], catalog: Catalog) -> tuple[Row, ...]:
    """Return a row a method: by family, in each the paper's in its order, then others by name."""
    families = list(FAMILIES)

    def order(spec: str) -> tuple[int, int, str, str]:
        declared = catalog.method(spec)
        known = METHODS.index(declared.key) if declared.key in METHODS else len(METHODS)
        return families.index(declared.family), known, declared.key, spec

    return tuple(
        Row(spec, catalog.label(spec), FAMILIES[catalog.method(spec).family])
        for spec in sorted(set(methods), key=order)
    )


def places(means: Sequence[float | None], column: Column) -> list[int]:
    """Return 1 for the best of a column, 2 for the second, 0 for the rest.

    Values that print alike share their place. Nothing is marked with fewer than three methods,
    where all print alike, or where nobody says which direction is better.
    """
    printed = [None if mean is None else round(mean, column.digits) for mean in means]
    known = [value for value in printed if value is not None]
    order = sorted(set(known), reverse=bool(column.higher_is_better))
    if column.higher_is_better is None or len(known) < 3 or len(order) < 2:
        return [0] * len(printed)
    rank = {order[0]: 1, order[1]: 2}
    return [0 if value is None else rank.get(value, 0) for value in printed]
