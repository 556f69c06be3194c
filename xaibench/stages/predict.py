"""One forward over the images: classes, logits and probabilities, stored once.

Target classes come from the untouched images; a transform's variation has its own logits and
probabilities of these classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import torch
from torch import Tensor

from xaibench.config.run import TARGETS
from xaibench.config.variations import UNTOUCHED, Variation
from xaibench.datasets.base import BLOCK
from xaibench.stages.desk import Desk
from xaibench.stages.run import Run
from xaibench.stages.unit import Part
from xaibench.store import layout, predictions, tables
from xaibench.store.atomic import write_json
from xaibench.store.images import columns as image_columns
from xaibench.store.ledger import give_way
from xaibench.store.predictions import Predictions


def predict(desk: Desk, block: int, part: Part) -> int:
    """Forward the images of a block that lack predictions on a variation, and write them.

    Of untouched images those that cannot be decoded are written to failures/ and added to
    `desk.lost`. Returns the number of predictions made.
    """
    run = desk.run
    places = [p for p in part.predictions if p not in desk.lost]
    if part.variation.request is None:
        places, _, failures = desk.images.read(places)
        if failures:
            name = layout.block_name(block, [f.image for f in failures])
            rows = {"unreadable": [asdict(f) for f in failures]}
            write_json(layout.failures(run.root) / f"{name}.json", rows)
            bad = {f.image for f in failures}
            desk.lost.update(p for p in part.predictions if run.dataset.ids[p] in bad)
    if not places:
        return 0
    known = load_predictions(run, places) if part.variation.request else None
    logits, probabilities = _logits(desk, places, part.variation)
    ids = run.ids(places)
    labels = torch.tensor([run.dataset.labels[p] for p in places])
    columns = _columns(ids, labels, logits, probabilities, known)
    columns |= image_columns(None if known else desk.images.contents[i] for i in ids)
    folder = layout.predictions(run.root, part.variation.transform, part.variation.name)
    give_way(folder, layout.TABLE, block, ids, part.code)
    path = folder / f"{layout.block_name(block, ids, part.code)}{layout.TABLE}"
    tables.save(path, columns, tables.PREDICTIONS, run.origin(part.code, part.variation))
    return len(ids)


def _logits(desk: Desk, places: Sequence[int], variation: Variation) -> tuple[Tensor, Tensor]:
    """Logits and probabilities (n, K) on the CPU, both made on the device.

    As those of masked inputs are: float32 softmaxes of two devices differ in the last bit, which
    would decide whether one exceeds the other.
    """

    def inputs() -> Iterator[Tensor]:
        for start in range(0, len(places), BLOCK):
            some = places[start : start + BLOCK]
            yield desk.images.inputs(some, variation).to(desk.run.device)

    size = desk.images.inputs(places[:1], variation).shape[-2:]
    ctx = desk.run.context_for(size, variation)
    found = [(part.float(), ctx.probabilities(part)) for part in ctx.stream(inputs())]
    logits, probabilities = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    return logits, probabilities


def _columns(
    ids: Sequence[str],
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
        pick = of.where(there, 0)[:, None]
        for kind, table in (("logit", logits), ("probability", probabilities)):
            column = torch.where(there, table.gather(1, pick)[:, 0], torch.nan)
            columns[f"{kind}_{target}"] = column.numpy()
    return columns


def load_predictions(
    run: Run, places: Sequence[int], variation: Variation = UNTOUCHED
) -> Predictions:
    """Everything predicted so far for some images, and others of their blocks, and a variation."""

    def rows(of: Variation) -> dict[str, dict[str, float]]:
        blocks = (run.order(of).block(place) for place in places)
        return predictions.read(run.root, blocks, of.transform, of.name)

    untouched = rows(UNTOUCHED)
    return Predictions(untouched, untouched if variation == UNTOUCHED else rows(variation))
