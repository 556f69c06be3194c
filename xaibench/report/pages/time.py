"""Which method is worth its time: seconds a map, declared passes, and what the maps are worth."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby

from xaibench.analysis.columns import TARGET_NAMES, Column, column_of
from xaibench.analysis.compare import Source
from xaibench.analysis.timings import Spent, spent, worth
from xaibench.report import document as d
from xaibench.report.text import MISSING, number, target_name

FIELDS = (
    "device method maps explain scored score forwards_declared backwards_declared forwards "
    "backwards"
).split()
BESIDE = 2
"""How many metrics of fidelity stand beside the seconds."""


def of_run(source: Source) -> d.Document:
    """Return the page of a run; where no process has recorded seconds it says so."""
    rows = sorted(spent(source.timings), key=_first)
    target = next((t for t in TARGET_NAMES if t in set(source.scores.target)), "")
    columns = _columns(source)
    values = worth(source, columns, target)
    lines = [_record(row, columns, values) for row in rows]
    return d.Document(
        name="time",
        formats=("md", "csv", "json", "tex", "html"),
        title="Which method is worth its time",
        lead=("Which method is worth its time",),
        blocks=d.small_print(_reading(rows, columns, target)),
        sections=[
            d.Section(device, [_grid(list(some), columns, values, source)])
            for device, some in groupby(rows, lambda row: row.device)
        ],
        fields=[*FIELDS, *(column.metric for column in columns)],
        records=lines,
        content={"target": target, "seconds": lines},
    )


def _first(row: Spent) -> tuple[str, float]:
    """By device, the fastest method first."""
    return row.device, row.explain or row.score or 0.0


def _columns(source: Source) -> list[Column]:
    """The first metrics of fidelity that the run has."""
    have, catalog = set(source.scores.metric), source.known
    keys = [key for key, one in catalog.metrics.items() if one.group == "fidelity"]
    return [column_of(key, catalog, 1.0) for key in keys if key in have][:BESIDE]


def _reading(rows: list[Spent], columns: list[Column], target: str) -> list[str]:
    if not rows:
        return ["No process of this run has recorded seconds."]
    lines = [
        "Explain and score: seconds a map by the clock, all that the method's maps and their "
        "scores need: building inputs, passes, writing; over all processes, targets and "
        "transforms. What methods share, such as forwards of blurred images, is in the seconds of "
        "the one that came first. Score: with the metrics of the run.",
        "Forwards and backwards: of an image's explanation for one class, as declared.",
    ]
    heads = " and ".join(column.header for column in columns)
    return lines + [f"{heads}: means for the {target_name(target)}."] * bool(columns)


def _grid(
    rows: list[Spent], columns: list[Column], values: dict[tuple[str, str], float], source: Source
) -> d.Grid:
    heads = list(map(d.Column, ("Maps", "Explain, s", "Score, s", "Forwards", "Backwards")))
    heads += [d.Column(c.header, better=c.higher_is_better) for c in columns]
    cells = []
    for row in rows:
        passes = row.declared or (None, None)
        found = [f"{max(row.maps, row.scored):,.0f}", _seconds(row.explain), _seconds(row.score)]
        found += [MISSING if n is None else f"{n:,.10g}" for n in passes]
        found += [number(values.get((row.method, c.metric)), c.digits) for c in columns]
        cells.append(list(map(d.Cell, found)))
    labels = [d.Row(source.known.label(row.method)) for row in rows]
    return d.Grid(("Method",), heads, labels, cells)


def _seconds(value: float | None) -> str:
    """Three digits; "-" for None."""
    return MISSING if value is None else f"{value:.3g}"


def _record(
    row: Spent, columns: list[Column], values: dict[tuple[str, str], float]
) -> dict[str, object]:
    forwards, backwards = row.declared or (None, None)
    means = {c.metric: values.get((row.method, c.metric)) for c in columns}
    names = [*FIELDS, *means]
    return d.record(
        names, asdict(row), means, forwards_declared=forwards, backwards_declared=backwards
    )
