"""One forward over the images: classes, logits and probabilities, stored once.

Target classes come from the untouched images; a transform's variation has its own logits and
probabilities of these classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from xaibench.config import TARGETS
from xaibench.stages.index import block_files, missing, unit_name, unreadable
from xaibench.stages.session import Session
from xaibench.stages.variation import UNTOUCHED, Variation, cut
from xaibench.store import tables
from xaibench.store.atomic import encode, write_json

SUFFIX = ".parquet"
COLUMNS = {"ground_truth": "label", "predicted": "argmax", "least_probable": "argmin"}


@dataclass(frozen=True)
class Predictions:
    """Per image id: label, class of each target, and the logit and probability of that class.

    untouched: the rows of the untouched images, which say what the classes are. rows: those of
    the variation at hand.
    """

    untouched: dict[str, dict[str, float]]
    rows: dict[str, dict[str, float]]

    def classes(self, ids: Sequence[str], target: str) -> Tensor:
        """The class (N,) int64 that a target means for each image."""
        return torch.tensor([int(self.untouched[i][COLUMNS[target]]) for i in ids])

    def logit(self, ids: Sequence[str], target: str) -> Tensor:
        """The logit (N,) float32 of a target's class on the variation's input."""
        return torch.tensor([self.rows[i][f"logit_{target}"] for i in ids], dtype=torch.float32)

    def probability(self, ids: Sequence[str], target: str) -> Tensor:
        """The probability (N,) float64 of a target's class on the variation's input."""
        held = [self.rows[i][f"probability_{target}"] for i in ids]
        return torch.tensor(held, dtype=torch.float64)

    def labels(self, ids: Sequence[str]) -> Tensor:
        """The dataset's classes (N,) int64."""
        return self.classes(ids, "ground_truth")


def folder(session: Session, variation: Variation = UNTOUCHED) -> Path:
    """Where predictions of a transform's variation lie."""
    return session.root / "predictions" / encode(variation.transform) / encode(variation.name)


def missing_predictions(
    session: Session, block: int, places: Sequence[int], variation: Variation = UNTOUCHED
) -> list[int]:
    """Places of a block that have neither predictions nor a recorded decoding failure."""
    failed = unreadable(session.root, block)
    ids = {session.dataset.ids[p]: p for p in places if session.dataset.ids[p] not in failed}
    lacking = missing(folder(session, variation), block, tuple(ids), SUFFIX, tables.read_ids)
    return [ids[i] for i in lacking.ids]


def predict(session: Session, block: int, places: Sequence[int]) -> int:
    """Decode and forward untouched images of a block; write predictions, and failures if any.

    Returns the number of predictions made; batches are cut from all `places`, whatever is missing.
    """
    lacking = set(missing_predictions(session, block, places))
    batches = [b for b in cut([[p] for p in places], 1, session.batch_size) if lacking & set(b)]
    _, _, failures = session.images.read([p for b in batches for p in b])
    missed = {session.dataset.ids[p] for p in lacking}
    new = [f for f in failures if f.image in missed]
    if new:
        name = unit_name(block, [f.image for f in new])
        rows = {"unreadable": [asdict(f) for f in new]}
        write_json(session.root / "failures" / f"{name}.json", rows)
    bad = {f.image for f in failures}
    good = [[p for p in b if session.dataset.ids[p] not in bad] for b in batches]
    return _forward(session, block, [b for b in good if b], lacking, UNTOUCHED, None)


def predict_variation(
    session: Session, block: int, places: Sequence[int], variation: Variation
) -> int:
    """Forward a variation of a block's readable images; returns the number of predictions."""
    lacking = set(missing_predictions(session, block, places, variation))
    batches = [b for b in cut([[p] for p in places], 1, session.batch_size) if lacking & set(b)]
    known = load_predictions(session, block)
    return _forward(session, block, batches, lacking, variation, known)


def _forward(
    session: Session,
    block: int,
    batches: list[list[int]],
    lacking: set[int],
    variation: Variation,
    known: Predictions | None,
) -> int:
    """Predictions of those places of the batches that lack them."""
    if not batches:
        return 0
    logits = torch.cat([_logits(session, batch, variation) for batch in batches])
    places = [p for batch in batches for p in batch]
    kept = [i for i, p in enumerate(places) if p in lacking]
    ids = [session.dataset.ids[places[i]] for i in kept]
    labels = torch.tensor([session.dataset.labels[places[i]] for i in kept])
    columns = _columns(ids, labels, logits[kept], known)
    path = folder(session, variation) / f"{unit_name(block, ids)}{SUFFIX}"
    tables.save(path, columns, tables.PREDICTIONS)
    return len(ids)


def _logits(session: Session, batch: list[int], variation: Variation) -> Tensor:
    images = session.images.inputs(batch, variation)
    ctx = session.context_for(variation, (images.shape[-2], images.shape[-1]))
    parts = (part.to(session.device) for part in images.split(ctx.batch_size))
    return torch.cat([part.float().cpu() for part in ctx.stream(parts)])


def _columns(
    ids: list[str], labels: Tensor, logits: Tensor, known: Predictions | None
) -> dict[str, object]:
    """The columns of the table; `known` says what the targets' classes are, else the logits."""
    probabilities = logits.double().softmax(-1)
    classes = {
        "ground_truth": labels,
        "predicted": logits.argmax(1),
        "least_probable": logits.argmin(1),
    }
    columns: dict[str, object] = {
        "image": ids,
        "label": labels.tolist(),
        "argmax": classes["predicted"].tolist(),
        "argmin": classes["least_probable"].tolist(),
    }
    for target in TARGETS:
        of = known.classes(ids, target) if known else classes[target]
        there = (of >= 0) & (of < logits.shape[1])
        place = of.where(there, 0)[:, None]
        for kind, table in (("logit", logits), ("probability", probabilities)):
            column = torch.where(there, table.gather(1, place)[:, 0], torch.nan)
            columns[f"{kind}_{target}"] = column.numpy()
    return columns


def load_predictions(session: Session, block: int, variation: Variation = UNTOUCHED) -> Predictions:
    """Everything predicted so far for a block and variation."""
    untouched = _rows(session, block, UNTOUCHED)
    return Predictions(
        untouched, untouched if variation == UNTOUCHED else _rows(session, block, variation)
    )


def _rows(session: Session, block: int, variation: Variation) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    for path in block_files(folder(session, variation), block, SUFFIX):
        rows |= {row.pop("image"): row for row in tables.read(path).to_pylist()}
    return rows
