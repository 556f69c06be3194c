"""A report of some methods and metrics of a run alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from xaibench.analysis.compare import Source
from xaibench.config.specs import key_of, split_all
from xaibench.errors import fold, unknown
from xaibench.registry.files import title

if TYPE_CHECKING:
    import pandas as pd

    from xaibench.analysis.agreement import Pair


def only(
    scores: pd.DataFrame, methods: Iterable[str] = (), metrics: Iterable[str] = ()
) -> pd.DataFrame:
    """The rows of some methods and metrics; all without any.

    A name takes every spec of it: `rise` also `rise(n_masks=50)`, which takes itself alone.

    Raises:
        UsageError: for a name that the scores have not.
    """
    for column, names in (("method", split_all(methods)), ("metric", split_all(metrics))):
        if names:
            scores = scores[scores[column].isin(_meant(column, names, scores[column].unique()))]
            if scores[column].dtype == "category":
                scores = scores.assign(**{column: scores[column].cat.remove_unused_categories()})
    return scores


def narrowed(source: Source, methods: Iterable[str] = (), metrics: Iterable[str] = ()) -> Source:
    """A run with these methods and metrics alone, in its timings and agreement too."""
    scores, ask = only(source.scores, methods, metrics), source.agreement
    held = set(scores["method"].unique())

    def agreement() -> Sequence[Pair]:
        return [p for p in ask() if {p.first, p.second} <= held] if ask else ()

    timings = [row for row in source.timings if row["method"] in held]
    agreeing = ask and agreement
    part = part_of(methods, metrics)
    return replace(source, scores=scores, timings=timings, agreement=agreeing, part=part)


def part_of(methods: Iterable[str] = (), metrics: Iterable[str] = ()) -> str:
    """`Of method lime and metric insertion alone.`, for a page of these; "" where all are asked."""
    asked = [("method", split_all(methods)), ("metric", split_all(metrics))]
    told = [f"{kind}{'s' * (len(x) > 1)} {', '.join(map(title, x))}" for kind, x in asked if x]
    return f"Of {' and '.join(told)} alone." if told else ""


def _meant(column: str, names: Iterable[str], known: Iterable[str]) -> set[str]:
    specs = list(map(str, known))
    keys = {fold(key_of(spec)) for spec in specs}
    found = set[str]()
    for name in names:
        wanted = fold(title(name))
        same = {s for s in specs if wanted in ("all", fold(s), fold(key_of(s)))}
        if not same:
            raise unknown(f"{column} of this run", name, keys)
        found |= same
    return found
