"""One forward over the images: classes, logits and probabilities, stored once.

Target classes come from the untouched images; a transform's variation has its own logits and
probabilities of these classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from xaibench.config.run import TARGETS
from xaibench.config.variations import UNTOUCHED, Variation
from xaibench.datasets.base import BLOCK
from xaibench.stages.session import Session
from xaibench.store import tables
from xaibench.store.atomic import encode, write_json
from xaibench.store.index import block_files, missing, unit_name

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
    bad = session.unreadable(places)
    ids = {session.dataset.ids[p]: p for p in places if p not in bad}
    lacking = missing(folder(session, variation), block, tuple(ids), SUFFIX, tables.read_ids)
    return [ids[i] for i in lacking.ids]


def predict(session: Session, block: int, places: Sequence[int]) -> int:
    """Decode and forward untouched images of a block; write predictions, and failures if any.

    Returns the number of predictions made.
    """
    lacking = missing_predictions(session, block, places)
    good, _, failures = session.images.read(lacking)
    if failures:
        name = unit_name(block, [f.image for f in failures])
        rows = {"unreadable": [asdict(f) for f in failures]}
        write_json(session.root / "failures" / f"{name}.json", rows)
    return _forward(session, block, good, UNTOUCHED, None)


def predict_variation(
    session: Session, block: int, places: Sequence[int], variation: Variation
) -> int:
    """Forward a variation of a block's readable images; returns the number of predictions."""
    lacking = missing_predictions(session, block, places, variation)
    known = load_predictions(session, lacking)
    return _forward(session, block, lacking, variation, known)


def _forward(
    session: Session,
    block: int,
    places: Sequence[int],
    variation: Variation,
    known: Predictions | None,
) -> int:
    """Write the predictions of some places; returns their number."""
    if not places:
        return 0
    logits, probabilities = _logits(session, places, variation)
    ids = [session.dataset.ids[p] for p in places]
    labels = torch.tensor([session.dataset.labels[p] for p in places])
    columns = _columns(ids, labels, logits, probabilities, known)
    path = folder(session, variation) / f"{unit_name(block, ids)}{SUFFIX}"
    tables.save(path, columns, tables.PREDICTIONS, session.mark(variation))
    return len(ids)


def _logits(session: Session, places: Sequence[int], variation: Variation) -> tuple[Tensor, Tensor]:
    """Logits and probabilities (n, K) on the CPU, both made on the device.

    As those of masked inputs are: float32 softmaxes of two devices differ in the last bit, which
    would decide whether one exceeds the other.
    """

    def inputs() -> Iterator[Tensor]:
        for start in range(0, len(places), BLOCK):
            some = places[start : start + BLOCK]
            yield session.images.inputs(some, variation).to(session.device)

    height, width = session.images.inputs(places[:1], variation).shape[-2:]
    ctx = session.context_for((height, width), variation)
    found = [(part.float(), ctx.probabilities(part)) for part in ctx.stream(inputs())]
    logits, probabilities = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    return logits, probabilities


def _columns(
    ids: list[str],
    labels: Tensor,
    logits: Tensor,
    probabilities: Tensor,
    known: Predictions | None,
) -> dict[str, object]:
    """The columns of the table; `known` says what the targets' classes are, else the logits."""
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


def load_predictions(
    session: Session, places: Sequence[int], variation: Variation = UNTOUCHED
) -> Predictions:
    """Everything predicted so far for some images, and others of their blocks, and a variation."""
    untouched = _rows(session, places, UNTOUCHED)
    return Predictions(
        untouched, untouched if variation == UNTOUCHED else _rows(session, places, variation)
    )


def _rows(
    session: Session, places: Sequence[int], variation: Variation
) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    for block in sorted({session.block(place, variation) for place in places}):
        for path in block_files(folder(session, variation), block, SUFFIX):
            rows |= {row.pop("image"): row for row in tables.read(path).to_pylist()}
    return rows
