"""What methods cost in seconds, summed over the processes of a run, beside what they are worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from xaibench.analysis.columns import Column
from xaibench.analysis.compare import Source
from xaibench.analysis.measure import AVERAGED

NUMBERS = ("seconds", "results", "forwards", "backwards")


@dataclass(frozen=True)
class Spent:
    """Seconds of one method on one device.

    Attributes:
        maps: maps made.
        explain: seconds a map, over all targets; None where none were made.
        scored: maps scored.
        score: seconds to score a map with all metrics; None where none were.
        declared: forwards and backwards of an image's explanation for one target; None where
            nobody says.
        forwards, backwards: passes counted, a map made.
    """

    device: str
    method: str
    maps: float
    explain: float | None
    scored: float
    score: float | None
    declared: tuple[float, float] | None
    forwards: float | None
    backwards: float | None


def spent(rows: Iterable[Mapping[str, Any]]) -> list[Spent]:
    """Rows of processes' records, each with its device, as one for each device and method.

    Metrics that were scored at different times are added up.
    """
    sums: dict[tuple[str, str], dict[tuple[str, ...], Counter[str]]] = {}
    declared: dict[tuple[str, str], tuple[float, float]] = {}
    for row in rows:
        key = str(row["device"]), str(row["method"])
        work = str(row["stage"]), *map(str, row.get("metrics") or ())
        held = sums.setdefault(key, {}).setdefault(work, Counter())
        held.update({name: row[name] for name in NUMBERS})
        if row.get("declared"):
            declared[key] = (float(row["declared"][0]), float(row["declared"][1]))
    found = []
    for key, works in sums.items():
        made = works.get(("explain",), Counter())
        scores = [n for work, n in works.items() if work[0] == "score" and n["results"]]
        found.append(
            Spent(
                *key,
                maps=made["results"],
                explain=_each(made, "seconds"),
                scored=max((n["results"] for n in scores), default=0),
                score=sum(n["seconds"] / n["results"] for n in scores) if scores else None,
                declared=declared.get(key),
                forwards=_each(made, "forwards"),
                backwards=_each(made, "backwards"),
            )
        )
    return found


def _each(made: Mapping[str, float], name: str) -> float | None:
    return made[name] / made["results"] if made["results"] else None


def worth(source: Source, columns: Iterable[Column], target: str) -> dict[tuple[str, str], float]:
    """Mean printed values of untouched images by method and metric, for a target."""
    scores = source.scores
    some = scores[(scores["target"] == target) & (scores["transform"] == "none")]
    some = some[some.status.isin(AVERAGED)]
    means = some.groupby(["method", "metric"], observed=True).value.mean()
    return {
        (method, column.metric): column.printed(float(means[method, column.metric]))
        for column in columns
        for method in some.method.unique()
        if (method, column.metric) in means.index
    }
