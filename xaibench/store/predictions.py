"""What the network said of the images of a run: classes, logits and probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from xaibench.store import layout, tables

COLUMNS = {"ground_truth": "label", "predicted": "argmax", "least_probable": "argmin"}
"""The column that says which class a target is."""


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


def read(root: Path, blocks: Iterable[int], *variation: str) -> dict[str, dict[str, float]]:
    """The rows by image of some blocks of a variation: transform and name, none for untouched."""
    rows: dict[str, dict[str, float]] = {}
    folder = layout.predictions(root, *variation)
    for block in sorted(set(blocks)):
        for path in layout.block_files(folder, block, layout.TABLE):
            rows |= {row.pop("image"): row for row in tables.read(path).to_pylist()}
    return rows
