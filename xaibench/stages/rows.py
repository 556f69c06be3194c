"""Rows of scores as they are written: of what was made, and of what failed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from xaibench.core.score import Result, Scores
from xaibench.normalize import STATUS_FAILED
from xaibench.stages.run import Run
from xaibench.stages.unit import Places, Unit
from xaibench.store import layout, tables
from xaibench.store.ledger import give_way
from xaibench.store.origin import Origin, Unsound
from xaibench.store.predictions import Predictions


@dataclass(frozen=True)
class Done:
    """What came of some images, with the class that their maps explain.

    limit: the batch size where memory forced a smaller one.
    """

    ids: tuple[str, ...]
    explained: Tensor
    found: Scores
    limit: int


def write_rows(
    run: Run, unit: Unit, target: str, predictions: Predictions, parts: Sequence[Done]
) -> None:
    """One file a metric (and batch size) of what is finished; failed rows beside the others."""
    made: dict[tuple[str, int], list[Done]] = {}
    lost: dict[str, list[Done]] = {}
    for done in parts:
        for metric in done.found.results:
            made.setdefault((metric, done.limit), []).append(done)
        for metric in done.found.failed:
            lost.setdefault(metric, []).append(done)
    for (metric, limit), some in made.items():
        folder, code = unit.key.scores(run.root, target, metric), unit.score_codes[metric]
        rows: dict[str, Any] = _fixed_of(run, some, target, predictions)
        results = [done.found.results[metric] for done in some]
        rows["status"] = [one for result in results for one in result.statuses]
        rows["value"] = [one for result in results for one in result.values]
        curves = _curves(results) if run.config.keep_curves else None
        if curves is not None:
            rows[tables.CURVE] = curves
        give_way(folder, layout.TABLE, unit.block, rows["image"], code, curves=curves is not None)
        path = folder / f"{layout.block_name(unit.block, rows['image'], code)}{layout.TABLE}"
        origin = replace(run.origin(code, unit.variation, limit), maps=unit.code)
        _save(path, rows, origin)
        _keep_failed(run, folder, unit.block, set(rows["image"]), None)
    for metric, some in lost.items():
        write_failed(run, unit, target, metric, _fixed_of(run, some, target, predictions))


def _curves(results: Sequence[Result]) -> pa.Array | None:
    """The curves of some values, none where a value is no number; None where there are no curves.

    They are as long as the metric makes them, which is the same for images of one size.
    """
    if any(result.curve is None for result in results):
        return None
    rows: list[NDArray[np.float64] | None] = []
    for result in results:
        assert result.curve is not None
        pairs = zip(result.curve.double().cpu().numpy(), result.values, strict=True)
        rows += [curve if math.isfinite(value) else None for curve, value in pairs]
    return pa.array(rows, tables.WITH_CURVES.field(tables.CURVE).type)


def _fixed_of(
    run: Run, parts: Sequence[Done], target: str, predictions: Predictions
) -> dict[str, list[Any]]:
    ids = [image for done in parts for image in done.ids]
    explained = torch.cat([done.explained for done in parts])
    return fixed_columns(run, ids, target, predictions, explained)


def fixed_columns(
    run: Run, ids: Sequence[str], target: str, predictions: Predictions, explained: Tensor
) -> dict[str, list[Any]]:
    """The columns that all metrics share."""
    return {
        "image": list(ids),
        "model": [run.model] * len(ids),
        "dataset": [run.dataset.name] * len(ids),
        "protocol": [run.protocol.name] * len(ids),
        "label": predictions.labels(ids).tolist(),
        "class_index": predictions.classes(ids, target).tolist(),
        "explained_index": explained.tolist(),
    }


def _save(path: Path, columns: dict[str, Any], made: Origin) -> None:
    schema = tables.WITH_CURVES if tables.CURVE in columns else tables.SCORES
    tables.save(path, {name: columns[name] for name in schema.names}, schema, made)


def write_failed(
    run: Run, unit: Unit, target: str, metric: str, fixed: dict[str, list[Any]]
) -> None:
    """Rows of NaN beside the others; the next run tries again and removes them."""
    rows = fixed | {
        "status": [STATUS_FAILED] * len(fixed["image"]),
        "value": [math.nan] * len(fixed["image"]),
    }
    folder = unit.key.scores(run.root, target, metric)
    give_way(folder, layout.TABLE, unit.block, fixed["image"], unit.score_codes[metric])
    _keep_failed(run, folder, unit.block, set(fixed["image"]), rows)


def _keep_failed(
    run: Run, folder: Path, block: int, touched: set[str], rows: dict[str, list[Any]] | None
) -> None:
    """One file with the failed rows of a block: those of untouched images, and the new rows."""
    old = layout.block_files(folder, block, layout.TABLE, layout.FAILED)
    held: list[dict[str, Any]] = []
    for path in old:
        with suppress(Unsound):  # a damaged one goes: its images are tried again
            held += tables.read(path).to_pylist()
    kept = [row for row in held if row["image"] not in touched]
    names = tables.SCORES.names
    merged = {n: [row[n] for row in kept] + (rows[n] if rows else []) for n in names}
    name = f"{layout.FAILED}{layout.block_name(block, merged['image'])}{layout.TABLE}"
    if merged["image"]:
        tables.save(folder / name, merged, tables.SCORES, run.origin(""))
    for stale in old:
        if stale.name != name or not merged["image"]:
            stale.unlink()


def fail_unmapped(
    run: Run, unit: Unit, unmapped: Mapping[str, Mapping[str, Places]], predictions: Predictions
) -> None:
    """Rows of status `failed` for scores without a map: images by target and metric."""
    for target, lacking in unmapped.items():
        for metric, places in lacking.items():
            if places:
                none = torch.full((len(places),), -1)
                fixed = fixed_columns(run, run.ids(places), target, predictions, none)
                write_failed(run, unit, target, metric, fixed)
