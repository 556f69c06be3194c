"""The network of a run: loaded, on the device, and whether its forward passes are compiled."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from xaibench.config.classes import read_classes
from xaibench.config.requests import MetricRequest
from xaibench.config.run import RunConfig
from xaibench.core.explain import cam_channels, cost
from xaibench.costs import MetricCost
from xaibench.errors import XaibenchError
from xaibench.models.classifier import TorchClassifier
from xaibench.models.device import AUTO_BATCH
from xaibench.models.load import load_model
from xaibench.ops.rows import ENOUGH
from xaibench.stages.labels import check_labels
from xaibench.store.identity import known
from xaibench.store.manifest import batch_size

if TYPE_CHECKING:
    from xaibench.stages.run import Run

PAYS = {"cpu": 100_000, "cuda": 1_000_000}
"""Forward passes from which compiling is tried, by device: it takes seconds to minutes."""
GAIN = 1.05
"""How much faster than the network itself compiled code has to be, or it is not used."""


def loaded(run: Run) -> TorchClassifier:
    """The network on the device, as the configuration wants it, not compiled."""
    config = run.config
    found = run.network or load_model(config.model_name, config.weights, config.cam_layer)
    if config.classes is not None:
        read_classes(config.classes).check(found.num_classes, found.name)
    if "ground_truth" in run.targets:
        check_labels(found, run.dataset, said=config.classes is not None)
    return replace(found.to(run.device), rows=run.batch_size, dtype=config.dtype)


def compiling(run: Run, network: TorchClassifier) -> tuple[TorchClassifier, str]:
    """The network, compiled where the run is, and why it is not where it was asked to be.

    A directory goes on as it was begun. A new one is compiled with `--compile auto` where the
    forecast reaches PAYS, compiling works and its code is GAIN times as fast, which is tried.
    """
    held = {} if run.config.overwrite else known(run.root)
    if held:
        return replace(network, compiled=bool(held.get("compiled"))), ""
    if run.config.compile == "off" or run.config.dry_run:
        return network, ""
    count, least = sum(_forwards(run, network)), PAYS[run.device.type]
    if count < least:
        return network, f"{count:,.0f} forward passes; it pays from {least:,} on"
    compiled = replace(network, compiled=True)
    try:
        times = _times_as_fast(compiled, network)
    except XaibenchError as error:
        return network, str(error)
    if times < GAIN:
        return network, f"compiled code is {times:.2f} times as fast, and {GAIN} would pay"
    return compiled, ""


def _times_as_fast(one: TorchClassifier, other: TorchClassifier, pairs: int = 5) -> float:
    """Speed of a network's full passes over another's, the median of interleaved pairs."""
    blank = one.blank()
    full = blank.expand(one.rows, *blank.shape[1:]).contiguous()

    def seconds(network: TorchClassifier) -> float:
        if full.is_cuda:
            torch.cuda.synchronize(full.device)
        start = time.perf_counter()
        network.inference(full)
        if full.is_cuda:
            torch.cuda.synchronize(full.device)
        return time.perf_counter() - start

    with torch.inference_mode():
        for _ in range(3):  # compiled, and recorded as a CUDA graph
            seconds(one), seconds(other)
        return statistics.median(seconds(other) / seconds(one) for _ in range(pairs))


def _forwards(run: Run, network: TorchClassifier) -> Iterator[float]:
    """Forward passes of the whole run, whatever is stored: by method, as far as is declared."""
    targets, images = len(run.targets), len(run.selection) * len(run.variations)
    calls: dict[str, list[MetricRequest]] = {}
    for metric in run.metrics:
        calls.setdefault(f"{metric.entry.key} {sorted(metric.options.items())}", []).append(metric)
    costs = [_cost(some) for some in calls.values()]
    for method in run.methods:
        shared, each = cost(method, lambda: cam_channels(network.in_batches(1, (0, 0)))), 0.0
        for one in costs:
            each += one.total(1)[0] + one.explains * shared.total(1)[0]
        yield images * (shared.total(targets)[0] + targets * each)


def _cost(asked: Sequence[MetricRequest]) -> MetricCost:
    """What metrics of one function and the same options declare; nothing where they do not."""
    declared = asked[0].entry.metadata.get("cost")
    wanted = tuple(metric.key for metric in asked)
    try:
        found = declared(**asked[0].options, wanted=wanted) if declared else 0
    except TypeError:  # it asks for less, or for more than is known here
        return MetricCost()
    return found if isinstance(found, MetricCost) else MetricCost(forwards=float(found))


def batch_size_of(config: RunConfig, device: torch.device) -> int:
    """What the directory was begun with, or what is asked for; never under ENOUGH."""
    begun = None if config.overwrite else batch_size(config.directory)
    if begun is not None:
        return max(begun, ENOUGH)
    asked = config.batch_size
    return max(int(AUTO_BATCH[device.type] if asked == "auto" else asked), ENOUGH)
