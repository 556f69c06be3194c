"""One forward over the untouched images: classes, logits and probabilities, stored once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from xaibench.config import TARGETS
from xaibench.stages.index import block_files, missing, unit_name
from xaibench.stages.session import Session
from xaibench.store import tables
from xaibench.store.atomic import read_json, write_json

SUFFIX = ".parquet"


@dataclass(frozen=True)
class Predictions:
    """Per image id: label, class of each target, and the logit and probability of that class."""

    rows: dict[str, dict[str, float]]

    def classes(self, ids: Sequence[str], target: str) -> Tensor:
        """The class (N,) int64 that a target means for each image."""
        column = {"ground_truth": "label", "predicted": "argmax", "least_probable": "argmin"}
        return torch.tensor([int(self.rows[i][column[target]]) for i in ids])

    def logit(self, ids: Sequence[str], target: str) -> Tensor:
        """The logit (N,) float32 of a target's class on the untouched input."""
        return torch.tensor([self.rows[i][f"logit_{target}"] for i in ids], dtype=torch.float32)

    def probability(self, ids: Sequence[str], target: str) -> Tensor:
        """The probability (N,) float64 of a target's class on the untouched input."""
        held = [self.rows[i][f"probability_{target}"] for i in ids]
        return torch.tensor(held, dtype=torch.float64)

    def labels(self, ids: Sequence[str]) -> Tensor:
        """The dataset's classes (N,) int64."""
        return self.classes(ids, "ground_truth")


def folder(session: Session, transform: str = "none", variation: str = "none") -> Path:
    """Where predictions of a transform's variation lie."""
    return session.root / "predictions" / transform / variation


def unreadable(session: Session, block: int) -> dict[str, str]:
    """Images of a block that could not be decoded, with the reason."""
    found: dict[str, str] = {}
    for path in block_files(session.root / "failures", block, ".json"):
        found |= {row["image"]: row["reason"] for row in read_json(path)["unreadable"]}
    return found


def missing_predictions(session: Session, block: int, places: Sequence[int]) -> list[int]:
    """Places of a block that have neither predictions nor a recorded decoding failure."""
    failed = unreadable(session, block)
    ids = {session.dataset.ids[p]: p for p in places if session.dataset.ids[p] not in failed}
    lacking = missing(folder(session), block, tuple(ids), SUFFIX, tables.read_ids)
    return [ids[i] for i in lacking.ids]


def predict(session: Session, block: int, places: Sequence[int]) -> int:
    """Decode and forward images; write their predictions, and the failures if any.

    Returns the number of predictions made.
    """
    read, images, failures = session.read(places)
    if failures:
        name = unit_name(block, [f.image for f in failures])
        rows = {"unreadable": [asdict(f) for f in failures]}
        write_json(session.root / "failures" / f"{name}.json", rows)
    if not read:
        return 0
    ids = [session.dataset.ids[p] for p in read]
    labels = torch.tensor([session.dataset.labels[p] for p in read])
    on_device = (part.to(session.device) for part in images.split(session.batch_size))
    logits = torch.cat([part.float().cpu() for part in session.context.stream(on_device)])
    path = folder(session) / f"{unit_name(block, ids)}{SUFFIX}"
    tables.save(path, _columns(ids, labels, logits), tables.PREDICTIONS)
    return len(ids)


def _columns(ids: list[str], labels: Tensor, logits: Tensor) -> dict[str, object]:
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
        known = (classes[target] >= 0) & (classes[target] < logits.shape[1])
        place = classes[target].where(known, 0)[:, None]
        for kind, table in (("logit", logits), ("probability", probabilities)):
            column = torch.where(known, table.gather(1, place)[:, 0], torch.nan)
            columns[f"{kind}_{target}"] = column.numpy()
    return columns


def load_predictions(session: Session, block: int) -> Predictions:
    """Everything predicted so far for a block."""
    rows: dict[str, dict[str, float]] = {}
    for path in block_files(folder(session), block, SUFFIX):
        rows |= {row.pop("image"): row for row in tables.read(path).to_pylist()}
    return Predictions(rows)
