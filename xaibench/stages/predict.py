"""One forward over the images: classes, logits and probabilities, stored once.

Target classes come from the untouched images; a transform's variation has its own logits and
probabilities of these classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

import torch
from torch import Tensor

from xaibench.config.run import TARGETS
from xaibench.config.variations import UNTOUCHED, Variation
from xaibench.datasets.base import BLOCK
from xaibench.errors import Failed, XaibenchError
from xaibench.meter import phase
from xaibench.stages.chunks import Chunks
from xaibench.stages.desk import Desk
from xaibench.stages.run import Run
from xaibench.stages.share import in_turn
from xaibench.stages.unit import Part
from xaibench.store import layout, predictions, tables
from xaibench.store.atomic import write_json
from xaibench.store.images import columns as image_columns
from xaibench.store.ledger import give_way
from xaibench.store.predictions import Predictions
from xaibench.types import Context


def predict(desk: Desk, block: int, part: Part) -> int:
    """Forward the images of a block that lack predictions on a variation, and write them.

    Of untouched images those that cannot be decoded are written to failures/ and added to
    `desk.lost`. Returns the number of predictions made. Raises XaibenchError where memory is too
    small for one image.
    """
    run = desk.run
    desk.steps.begin(f"predict {part.variation.label}".strip(), "predictions")
    places = [p for p in part.predictions if p not in desk.lost]
    if part.variation.request is None:
        with run.classifier.preparing():
            places, failures = desk.images.seen(places)
        if failures:
            name = layout.block_name(block, [f.image for f in failures])
            rows = {"unreadable": [asdict(f) for f in failures]}
            write_json(layout.failures(run.root) / f"{name}.json", rows)
            bad = {f.image for f in failures}
            desk.lost.update(p for p in part.predictions if run.dataset.ids[p] in bad)
    if not places:
        return 0
    known = load_predictions(run, places) if part.variation.request else None
    folder = layout.predictions(run.root, part.variation.transform, part.variation.name)

    def write(parts: list[_Done]) -> None:
        for limit, some in groupby(parts, lambda part: part.limit):
            together = list(some)
            of = [place for one in together for place in one.places]
            ids, labels = run.ids(of), torch.tensor([run.dataset.labels[p] for p in of])
            logits = torch.cat([one.logits for one in together])
            probabilities = torch.cat([one.probabilities for one in together])
            columns = _columns(ids, labels, logits, probabilities, known)
            columns |= image_columns(None if known else desk.images.contents[i] for i in ids)
            path = folder / f"{layout.block_name(block, ids, part.code)}{layout.TABLE}"
            made = run.origin(part.code, part.variation, limit)
            with phase("io"), in_turn(run):
                give_way(folder, layout.TABLE, block, ids, part.code)
                tables.save(path, columns, tables.PREDICTIONS, made)

    try:
        with Chunks(write) as chunks:
            for one in _logits(desk, places, part.variation):
                chunks.add(one)
                desk.steps.did("predictions", {"": len(one.places)}, len(one.places))
    except Failed as failure:
        raise XaibenchError(f"{run.model}: {failure}: use another --device.") from failure
    return len(places)


@dataclass(frozen=True)
class _Done:
    """Logits and probabilities (n, K) of images, on the CPU.

    Both made on the device, as those of masked inputs are: float32 softmaxes of two devices differ
    in the last bit, which would decide whether one exceeds the other. limit: the batch size where
    memory forced a smaller one.
    """

    places: list[int]
    logits: Tensor
    probabilities: Tensor
    limit: int


def _logits(desk: Desk, places: list[int], variation: Variation) -> Iterator[_Done]:
    """Forward images in full batches. Raises Failed where memory is too small for one."""
    height, width = desk.images.inputs(places[:1], variation).shape[-2:]
    ctx = desk.run.context_for((height, width), variation)

    def cut(some: list[int], size: int) -> list[list[int]]:
        step = max(size, BLOCK // size * size)
        return [some[start : start + step] for start in range(0, len(some), step)]

    def forward(fit: Context, some: list[int]) -> tuple[Tensor, Tensor]:
        with phase("transfer"):
            inputs = desk.inputs(some, variation)
        found = [(part.float(), fit.probabilities(part)) for part in fit.stream([inputs])]
        logits, probabilities = zip(*found, strict=True)
        return torch.cat(logits).cpu(), torch.cat(probabilities).cpu()

    work = "predict", height, width
    for some, found, limit in desk.run.room.each(ctx, work, places, cut, forward):
        yield _Done(some, *found, limit)


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
        "rank": _ranks(logits, labels).tolist(),
        "classes": [logits.shape[1]] * len(ids),
    }
    for target in TARGETS:
        of = known.classes(ids, target) if known else classes[target]
        there = (of >= 0) & (of < logits.shape[1])
        pick = of.where(there, 0)[:, None]
        for kind, table in (("logit", logits), ("probability", probabilities)):
            column = torch.where(there, table.gather(1, pick)[:, 0], torch.nan)
            columns[f"{kind}_{target}"] = column.numpy()
    return columns


def _ranks(logits: Tensor, labels: Tensor) -> Tensor:
    """How many classes come before each label (N,), of equal logits those of lower index.

    0 where the label is the predicted class, -1 where there is no label.
    """
    there = (labels >= 0) & (labels < logits.shape[1])
    own = labels.where(there, 0)[:, None]
    of = logits.gather(1, own)
    lower = torch.arange(logits.shape[1]) < own
    before = (logits > of) | ((logits == of) & lower)
    return before.sum(1).where(there, -1)


def load_predictions(
    run: Run, places: Sequence[int], variation: Variation = UNTOUCHED
) -> Predictions:
    """Everything predicted so far for some images, and others of their blocks, and a variation."""

    def rows(of: Variation) -> dict[str, dict[str, float]]:
        blocks = (run.order(of).block(place) for place in places)
        return predictions.read(run.root, blocks, of.transform, of.name)

    with in_turn(run):
        untouched = rows(UNTOUCHED)
    return Predictions(untouched, untouched if variation == UNTOUCHED else rows(variation))
