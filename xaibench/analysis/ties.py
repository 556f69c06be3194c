"""Ties: how many pixels share their value, and what another order of them does to I and D.

A section of the report in the form of a table, so that every format shows it as it shows tables.
"""

from __future__ import annotations

import shlex
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xaibench.analysis.columns import TARGET_NAMES, TIES, Column, column_of
from xaibench.analysis.footnotes import UNSURE
from xaibench.analysis.intervals import Sample, intervals
from xaibench.analysis.layout import table_rows
from xaibench.analysis.measure import Group, Measurement, groups, measure
from xaibench.analysis.stats import Floats
from xaibench.analysis.types import Cell, Fill, Table, TableColumn
from xaibench.config.catalog import Catalog
from xaibench.config.declared import shipped
from xaibench.config.specs import canonical, key_of, parse
from xaibench.registry.files import located

if TYPE_CHECKING:
    import pandas as pd

    from xaibench.analysis.fill import RunWords

BEYOND = "beyond"

_SHARE = Column("tied", "tied_pixels", "Tied pixels%", "T", 100.0, 0.0, 1, None)


@dataclass(frozen=True)
class Tied:
    """Shares of tied pixels, one an image, by method; maps of one target's untouched images."""

    target: str
    shares: Mapping[str, Sequence[float]]

    def of(self, methods: Container[str]) -> Tied:
        """Those of some methods."""
        return replace(self, shares={m: s for m, s in self.shares.items() if m in methods})


def ties_tables(
    scores: pd.DataFrame,
    catalog: Catalog | None,
    tied: Tied | None,
    run: RunWords | None = None,
) -> list[Table]:
    """Return the section on ties, or nothing where neither maps nor other orders are at hand.

    Args:
        scores: tidy frame; another order is another spec of the same metric in the same run.
        catalog: says which metrics take equal pixels in which order, and which is the run's own.
        tied: shares of tied pixels, where maps are stored.
        run: options that name the run directory, for the command that scores the other orders.
    """
    catalog = catalog or shipped()
    metrics = [key for key, declared in catalog.metrics.items() if declared.orders]
    own = next((catalog.metric(key).ties for key in metrics), "")
    name = scores["metric"]
    present = sorted(s for s in map(str, name.unique()) if _order(s, metrics) not in ("", own))
    targets = set(map(str, scores.loc[name.isin(metrics), "target"].unique()))
    target = next((t for t in TARGET_NAMES if t in targets), "")
    if not (tied or present or (own and target)):
        return []
    printed = {key: column_of(key, catalog, 0.0) for key in metrics}
    changes = _changes(scores[name.isin((*metrics, *present))], present, target, printed)
    shares = tied.shares if tied else {}
    rows = table_rows({*shares, *(method for method, _ in changes)}, catalog)
    columns = [TableColumn(_SHARE, tied.target, "none", "")] if tied else []
    columns += [TableColumn(_column(spec, own, printed), target, "none", "") for spec in present]
    cells = tuple(
        tuple(
            _share(shares.get(row.method))
            if c.column is _SHARE
            else changes.get((row.method, c.column.metric))
            for c in columns
        )
        for row in rows
    )
    held = [cell for line in cells for cell in line if cell]
    usual = max((cell.n for cell in held), default=0)
    notes = _notes(tied, changes, own) + [UNSURE] * any(cell.unsure for cell in held)
    fill = _fill(scores, catalog, target, run) if own and target else None
    return [Table(TIES, "Ties", rows, tuple(columns), cells, tuple(notes), usual, fill)]


def _order(spec: str, metrics: Sequence[str]) -> str:
    """The tie order that a spec of one of the metrics names, if it names nothing else."""
    if key_of(spec) not in metrics:
        return ""
    values = parse(spec)[1]
    return str(values["ties"]) if set(values) == {"ties"} else ""


def _column(spec: str, own: str, printed: Mapping[str, Column]) -> Column:
    base = printed[parse(spec)[0]]
    words = f"{base.header} {_order(spec, [base.metric])}" + f" - {own}" * bool(own)
    key = f"{spec} minus {base.metric}"
    return Column(spec, key, words, base.short, base.scale, 0.0, base.digits, None)


def _share(shares: Sequence[float] | None) -> Cell | None:
    if not shares:
        return None
    return _cell(np.array(shares), 100.0, "")


def _cell(values: Floats, scale: float, remark: str) -> Cell:
    """The mean of values (n,), one an image, printed to a scale."""
    low, high, mark = intervals({"": Sample("", values)})[""]
    if low is not None and high is not None:
        low, high = sorted((scale * low, scale * high))
    mean = float(scale * values.mean())
    return Cell(mean, low, high, len(values), 0, {}, unsure=mark, remark=remark)


def _changes(
    scores: pd.DataFrame, present: Sequence[str], target: str, printed: Mapping[str, Column]
) -> dict[tuple[str, str], Cell]:
    """The change of each cell's mean under another order, over the images that have both."""
    if not present:
        return {}
    plain = scores[(scores["transform"] == "none") & (scores["target"] == target)]
    cells, own = dict(groups(plain)), measure(plain)
    changes = {}
    for key, other in cells.items():
        base = key._replace(metric=parse(key.metric)[0])
        if key.metric in present and base in cells and len(other.images):
            cell = _change(cells[base], other, own[base], printed[base.metric].scale)
            changes.update({(key.method, key.metric): cell} if cell else {})
    return changes


def _change(own: Group, other: Group, measured: Measurement, scale: float) -> Cell | None:
    _, first, second = np.intersect1d(own.images, other.images, return_indices=True)
    if not len(first):
        return None
    change = (other.sums / other.counts)[second] - (own.sums / own.counts)[first]
    remark = ""
    if measured.mean is not None and measured.low is not None and measured.high is not None:
        moved = measured.mean + change.mean()
        remark = BEYOND if not measured.low <= moved <= measured.high else ""
    return _cell(change, scale, remark)


def _notes(tied: Tied | None, changes: Mapping[tuple[str, str], Cell], own: str) -> list[str]:
    notes = []
    if tied:
        counts = sorted({len(shares) for shares in tied.shares.values()})
        n = " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))
        notes.append(
            "Tied pixels: share of a map's pixels whose value occurs at least twice in it, mean "
            f"over the first {n} images that have a map ({TARGET_NAMES[tied.target]})."
        )
    if changes:
        count = sum(bool(cell.remark) for cell in changes.values())
        notes.append(
            f"The other columns: change of the mean where equal pixels are taken in another order "
            f"than the run's own{f' ({own})' if own else ''}, paired over images. {BEYOND}: the "
            f"mean leaves its own 95% interval ({count} of {len(changes)} cells)."
        )
    else:
        notes.append("No other order of ties was scored.")
    return notes


def _fill(scores: pd.DataFrame, catalog: Catalog, target: str, run: RunWords | None) -> Fill | None:
    """The command that scores the other orders for all methods that have the run's own."""
    metrics = {key: declared for key, declared in catalog.metrics.items() if declared.orders}
    plain = (scores["target"] == target) & (scores["transform"] == "none")
    plain &= scores["status"] != "failed"
    met = scores.loc[plain, ["method", "metric"]].drop_duplicates().astype(str)
    held = set(met.itertuples(index=False, name=None))
    methods = {method for method, metric in held if metric in metrics}
    rows = table_rows({m for m in methods if not catalog.method(m).elsewhere}, catalog)
    wanted = [
        (row.method, metric, order)
        for row in rows
        for metric, declared in metrics.items()
        for order in declared.orders
        if order != declared.ties and (row.method, metric) in held
    ]
    missing = [
        (method, f"{metric}(ties={order})")
        for method, metric, order in wanted
        if (method, canonical(metric, {"ties": order}, {})) not in held
    ]
    if not missing:
        return None
    words = ["xaibench", "run"]
    for option, values in zip(("--method", "--metric"), zip(*missing, strict=True), strict=True):
        callable_ = (located(value, run.files if run else {}) for value in values)
        words += [option, ",".join(dict.fromkeys(callable_))]
    words += ["--target", target] * (target != "ground_truth")
    words += run[False] if run else ()
    return Fill(len(missing), len(wanted), shlex.join(words), run is not None)
