"""Units that failed: the reason is kept in failures/ until a later run succeeds."""

from __future__ import annotations

from pathlib import Path

from xaibench.stages.explain import Unit
from xaibench.stages.session import Session
from xaibench.store.atomic import encode, write_json


def _path(session: Session, unit: Unit, metric: str) -> Path:
    names = (unit.method.spec, unit.variation.transform, unit.variation.name, metric)
    folder = session.root.joinpath("failures", "units", *map(encode, names))
    return folder / f"{unit.block:05d}.json"


def record(session: Session, unit: Unit, metric: str, reason: str) -> None:
    """Keep why a unit's maps (metric `explain`) or one metric's scores could not be had."""
    rows = {
        "method": unit.method.spec,
        "transform": unit.variation.transform,
        "variation": unit.variation.name,
        "metric": metric,
        "reason": reason,
        "images": [session.dataset.ids[p] for p in unit.places],
    }
    write_json(_path(session, unit, metric), rows)


def forget(session: Session, unit: Unit, metric: str) -> None:
    """Drop the record of a failure that is none any more."""
    _path(session, unit, metric).unlink(missing_ok=True)
