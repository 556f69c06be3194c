"""A run directory with made-up scores, stored as a real run stores them, to time what reads it.

    python scripts/synthetic_run.py OUT [IMAGES]

10 methods x 12 metrics x 3 targets over IMAGES (50,000) images of ImageNet's names: blocks as the
dataset would have them, one file of scores a block and cell, each sealed with its origin, beside
predictions and the records of the directory. Two processes write; each value is a draw around what
the metric usually gives. The data and the network do not exist: nothing here can be run on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from xaibench.config.run import load_config
from xaibench.datasets.base import Dataset
from xaibench.datasets.blobs import Content
from xaibench.datasets.subset import Subset
from xaibench.execution import start
from xaibench.models.load import load_model
from xaibench.stages.run import Run, resolve
from xaibench.stages.unit import code_of_maps, code_of_predictions, code_of_scores
from xaibench.store import images, layout, tables
from xaibench.store.layout import UnitKey

IMAGES = 50_000
METHODS = "fakecam gradient ig guidedbp gradcam gradcampp scorecam rise lime iba"
METRICS = {  # centre and spread of an image's value; None: 0 or 1, so often 1
    "insertion": (0.6, 0.3),
    "deletion": (0.15, 0.1),
    "average_increase": (0.45, None),
    "average_drop": (0.2, 0.3),
    "average_gain": (0.15, 0.2),
    "monotonicity": (0.4, 0.5),
    "max_sensitivity": (0.93, 0.05),
    "avg_sensitivity": (0.92, 0.05),
    "sparseness": (0.4, 0.1),
    "complexity": (10.4, 0.2),
    "effective_complexity": (49_000.0, 2_000.0),
    "completeness": (0.0, None),
}
TARGETS = ("ground_truth", "predicted", "least_probable")
CLASSES = 1000


class Photographs(Dataset):
    """Images that are not there, with ImageNet's names."""

    @property
    def fingerprint(self) -> str:  # type: ignore[override]
        """No file is looked at."""
        return "0" * 64


def photographs(count: int) -> Dataset:
    """Ids and labels of so many images."""
    draws = np.random.default_rng(0)
    places = draws.permutation(50_000)[:count]
    ids = sorted(f"ILSVRC2012_val_{place + 1:08d}.JPEG" for place in places)
    labels = draws.integers(0, CLASSES, count).tolist()
    return Photographs("ILSVRC2012", Path("ILSVRC2012"), tuple(ids), tuple(labels))


def prepared(out: Path, count: int) -> Run:
    """The run that would have made all this."""
    words: dict[str, Any] = {
        "method": METHODS.split(),
        "metric": list(METRICS),
        "target": list(TARGETS),
        "out": out,
    }
    run = resolve(load_config(words), network=load_model("efficientnet_lite0"))
    data = photographs(count)
    return replace(run, dataset=data, subset=Subset(data, tuple(range(count))))


def write_predictions(run: Run, block: int, ids: tuple[str, ...], places: range) -> None:
    """What the network would have said of a block."""
    draws = np.random.default_rng([1, block])
    labels = np.array([run.dataset.labels[place] for place in places])
    columns: dict[str, Any] = {
        "image": ids,
        "label": labels,
        "argmax": np.where(draws.random(len(ids)) < 0.8, labels, (labels + 1) % CLASSES),
        "argmin": draws.integers(0, CLASSES, len(ids)),
        "classes": [CLASSES] * len(ids),
    }
    columns["rank"] = (columns["argmax"] != labels).astype(np.int64)
    for target in TARGETS:
        columns[f"logit_{target}"] = draws.normal(8, 3, len(ids)).astype(np.float32)
        columns[f"probability_{target}"] = draws.random(len(ids))
    columns |= images.columns(Content(f"{place:064x}", place) for place in places)
    code = code_of_predictions(run.loader, run.variations[0])
    path = layout.predictions(run.root) / f"{layout.block_name(block, ids, code)}{layout.TABLE}"
    tables.save(path, columns, tables.PREDICTIONS, run.origin(code))


def cells(run: Run) -> Iterator[tuple[int, Path, str, str, str]]:
    """A number, the folder, the metric and the code of the scores and of the maps of each cell."""
    plain, number = run.variations[0], 0
    for method in run.methods:
        maps = code_of_maps(run.loader, method, plain)
        for metric in run.metrics:
            code = code_of_scores(run.loader, method, plain, metric)
            for target in TARGETS:
                folder = UnitKey(method.spec).scores(run.root, target, metric.spec)
                yield number, folder, metric.spec, code, maps
                number += 1


def write_scores(run: Run, blocks: list[int]) -> int:
    """All cells of some blocks; returns how many files that is."""
    size, everything, files = run.dataset.block_size, list(cells(run)), 0
    for block in blocks:
        places = range(block * size, min((block + 1) * size, len(run.dataset)))
        ids = run.ids(places)
        labels = [run.dataset.labels[place] for place in places]
        write_predictions(run, block, ids, places)
        fixed = {"image": ids, "model": [run.model] * len(ids), "label": labels}
        fixed |= {"dataset": [run.dataset.name] * len(ids), "class_index": labels}
        fixed |= {"protocol": [run.protocol.name] * len(ids), "explained_index": labels}
        for number, folder, metric, code, maps in everything:
            draws = np.random.default_rng([2, block, number])
            constant = draws.random(len(ids)) < 0.001
            columns = fixed | {
                "status": np.where(constant, "constant_map", "ok").tolist(),
                "value": values(metric, draws, len(ids)),
            }
            made = replace(run.origin(code), maps=maps)
            path = folder / f"{layout.block_name(block, ids, code)}{layout.TABLE}"
            tables.save(path, {n: columns[n] for n in tables.SCORES.names}, tables.SCORES, made)
            files += 1
    return files


def values(metric: str, draws: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    """Values (count,) as the metric gives them."""
    centre, spread = METRICS[metric]
    if spread is None:
        return (draws.random(count) < centre).astype(np.float64)
    found = np.maximum(draws.normal(centre, spread, count), 0)
    return found if centre > 1 else np.minimum(found, 1)


def write_run(out: Path, count: int = IMAGES, processes: int = 2) -> int:
    """Write the whole directory; returns how many files of scores it has."""
    run = prepared(out, count)
    start.open_directory(run, frozenset({"explain", "score"}), print).end(counts={"images": count})
    blocks = list(range(-(-count // run.dataset.block_size)))
    if processes < 2:
        return write_scores(run, blocks)
    with ProcessPoolExecutor(
        processes, get_context("spawn")
    ) as pool:  # forked, torch's threads hang
        jobs = [blocks[i :: 4 * processes] for i in range(4 * processes)]
        return sum(pool.map(partial(_write, out, count), jobs))


def _write(out: Path, count: int, blocks: list[int]) -> int:
    return write_scores(prepared(out, count), blocks)


if __name__ == "__main__":
    words = sys.argv[1:]
    files = write_run(Path(words[0]), *map(int, words[1:]))
    print(f"{words[0]}: {files} files of scores")
