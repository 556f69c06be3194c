"""From what the runs of a check left to the evidence that is judged; nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from xaibench.analysis.check.evidence import CLASS, NOISE, WEIGHTS, Evidence
from xaibench.analysis.measure import AVERAGED
from xaibench.analysis.timings import spent
from xaibench.config.declared import shipped
from xaibench.errors import XaibenchError
from xaibench.normalize import STATUS_CONSTANT, STATUS_FAILED, STATUS_NONFINITE
from xaibench.ops.statistics import spearman
from xaibench.stages.failures import EXPLAIN
from xaibench.store import layout
from xaibench.store.atomic import read_object
from xaibench.store.catalog import catalog_in
from xaibench.store.manifest import timings
from xaibench.store.read import MapReader, load_scores
from xaibench.studies.check.record import Record
from xaibench.studies.ties import tied_shares

if TYPE_CHECKING:
    import pandas as pd

_STEP = 16
"""Images whose maps are held at once."""
SWITCHED = ["switch", "method", "metric", "image", "value"]
SANE = ["test", "method", "image", "value"]
CONSTANT = "on no image are both maps other than constant"
FAILED = "nothing was scored: the same command tries it again"


def alike(
    root: Path, method: str, target: str, other: str, images: Collection[str]
) -> dict[str, float]:
    """Spearman's correlation of a method's maps for two classes, by image, of some images.

    Images on which either map is constant are left out. Raises XaibenchError where a class has no
    maps.
    """
    first, second = (MapReader(root, method, one) for one in (target, other))
    both = sorted({*first.ids}.intersection(second.ids, images))
    found: dict[str, float] = {}
    for start in range(0, len(both), _STEP):
        ids = both[start : start + _STEP]
        held = [reader.take(ids) for reader in (first, second)]
        maps = (torch.stack([of[i] for i in ids]).flatten(1) for of in held)
        values = spearman(*maps).tolist()
        found |= {i: v for i, v in zip(ids, values, strict=True) if np.isfinite(v)}
    return found


def evidence_of(root: Path, record: Record) -> Evidence:
    """What the check of a record measured, as the directories have it now.

    Raises XaibenchError where the method's own scores are gone.
    """
    frames: dict[str, pd.DataFrame] = {}

    def frame(directory: str) -> pd.DataFrame:
        if directory not in frames:
            frames[directory] = _frame(root / directory, record)
        return frames[directory]

    own = frame("")
    own = own[own.method.isin(record.methods)]
    scores = own[own.metric.isin(record.metrics)]
    if not (scores.method == record.method).any():
        raise XaibenchError(f"{root} has no scores of {record.method}: run its check again.")
    sane, lacking = _sanity(own, record)
    switched, missing, gone = _switched(frame, record)
    constant = own[own.status == STATUS_CONSTANT].groupby("method").image.nunique()
    lost_maps = scores.status.eq(STATUS_NONFINITE).groupby([scores.method, scores.image]).all()
    nonfinite = lost_maps.groupby(level=0).sum()  # a value can be lost where the map is not
    met = set(_usable(scores).method)
    lost = [(f"beside {m}", _why(root, m)) for m in record.methods[1:] if m not in met]
    failed = _failed(scores[scores.method == record.method])
    if failed:
        lost.insert(0, (f"{failed} of {len(record.images)} images", _why(root, record.method)))
    return Evidence(
        method=record.method,
        scores=scores,
        catalog=catalog_in(root) or shipped(),
        sanity=sane,
        switched=switched,
        lost=gone,
        seconds={
            one.method: one.explain
            for one in spent(timings(root))
            if one.method in met and one.explain is not None
        },
        tied=_tied(root, record),
        constant={method: int(constant.get(method, 0)) for method in record.methods},
        nonfinite={method: int(nonfinite.get(method, 0)) for method in record.methods},
        controls=tuple(m for m in record.controls if m in met),
        standards=tuple(m for m in record.standards if m in met),
        untested=(*record.untested, *lost, *lacking, *missing),
    )


def _failed(rows: pd.DataFrame) -> int:
    """Images without a score by any metric, since the method raised."""
    return int(rows.status.eq(STATUS_FAILED).groupby(rows.image.astype(str)).all().sum())


def _why(root: Path, method: str) -> str:
    """Why a method has no scores: what its explanation raised, where that is recorded."""
    folder = layout.unit_failure(root, 0, (method, "none", "none", EXPLAIN)).parent
    for path in sorted(folder.glob("*.json")):
        with suppress(XaibenchError):
            return str(read_object(path, "reason")["reason"]).rstrip(".")
    return FAILED


def _frame(directory: Path, record: Record) -> pd.DataFrame:
    """The scores of a check's untouched images for its target; no rows where there are none."""
    import pandas as pd

    try:
        scores = load_scores(directory)
    except XaibenchError:
        return pd.DataFrame(columns=["method", "metric", "image", "status", "value"])
    kept = (scores.target == record.target) & (scores["transform"] == "none")
    return scores[kept & scores.image.isin(record.images)] if record.images else scores[kept]


def _usable(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that are in a mean."""
    return rows[rows.status.isin(AVERAGED) & np.isfinite(rows.value.to_numpy(float))]


def _sanity(own: pd.DataFrame, record: Record) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """How alike the maps are, and which tests of the judged method have no image."""
    import pandas as pd

    parts = [
        _usable(own[own.metric == metric]).assign(test=test)[SANE]
        for test, metric in record.sanity.items()
    ]
    rows = [
        (CLASS, method, image, value)
        for method, of in record.alike.items()
        for image, value in of.items()
    ]
    parts += [pd.DataFrame(rows, columns=SANE)] * bool(rows)
    sane = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=SANE)
    tests = {**record.sanity, **({CLASS: ""} if record.sanity else {})}
    mine = own[own.method == record.method]
    there = set(sane.test[sane.method == record.method])
    lacking = []
    for test, metric in tests.items():
        rows_of = mine[mine.metric == metric]
        lost = not metric or (rows_of.status == STATUS_NONFINITE).any()
        if test not in there:
            lacking.append((f"sanity: {test}", CONSTANT if lost else FAILED))
    if NOISE in there and WEIGHTS not in there:
        lacking.append((f"sanity: {NOISE}", "it is held against other weights"))
    return sane, lacking


def _switched(
    frame: Callable[[str], pd.DataFrame], record: Record
) -> tuple[pd.DataFrame, list[tuple[str, str]], frozenset[tuple[str, str, str]]]:
    """Scores under each switch, and what was not scored: in words; as (switch, method, metric)."""
    import pandas as pd

    held: dict[str, dict[tuple[str, str], pd.DataFrame]] = {}
    parts: list[pd.DataFrame] = []
    missing: dict[tuple[str, str], None] = {}
    lost: set[tuple[str, str, str]] = set()
    for turn in record.turns:
        if turn.directory not in held:
            groups = _usable(frame(turn.directory)).groupby(["method", "metric"])
            held[turn.directory] = {(str(m), str(k)): rows for (m, k), rows in groups}
        found = held[turn.directory].get(turn.stored)
        if found is None:
            missing[f"{turn.label} of {turn.method}", FAILED] = None
            lost.add((turn.label, turn.method, turn.metric))
            continue
        named = {"switch": turn.label, "method": turn.method, "metric": turn.metric}
        parts.append(found.assign(**named)[SWITCHED])
    empty = pd.DataFrame(columns=SWITCHED)
    rows = pd.concat(parts, ignore_index=True) if parts else empty
    return rows, list(missing), frozenset(lost)


def _tied(root: Path, record: Record) -> dict[str, float]:
    """Shares of tied pixels; without methods of which no maps are stored."""
    return {method: share for method, share in _shares(root, record)}


def _shares(root: Path, record: Record) -> Iterator[tuple[str, float]]:
    for method in record.methods:
        try:
            if shares := tied_shares(root, method, record.target):
                yield method, float(np.mean(shares))
        except XaibenchError:
            continue
