"""How long results take beside each other: by the passes that methods and metrics declare."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from xaibench.config.requests import MethodRequest, MetricRequest
from xaibench.costs import MetricCost
from xaibench.execution.amounts import metric_cost
from xaibench.stages.run import SUBSET_IMAGES, Run
from xaibench.stages.steps import Work

BACKWARD = 2.0
"""A backward pass, in forward passes."""


def weights(run: Run) -> Callable[[Work], float]:
    """What a result of a run weighs, in forward passes: 1, and what is declared for it."""
    methods = {method.spec: method for method in run.methods}
    metrics = {metric.spec: metric for metric in run.metrics}
    keys = Counter(metric.entry.key for metric in run.metrics)

    @functools.cache
    def weight(work: Work) -> float:
        kind, method, metric = work
        if kind == "maps":
            count = len(run.targets)
            return 1.0 + _explained(run, methods[method], count)[0] / count
        if kind != "scores":
            return 1.0
        asked, (passes, subset_over) = metrics[metric], _scored(metrics[metric])
        if "explain" in asked.needs:  # one call of the function gives all its keys
            each = _per_image(run, methods[method], subset_over)
            passes *= each / keys[asked.entry.key]
        return 1.0 + passes

    return weight


def _explained(run: Run, method: MethodRequest, targets: int) -> tuple[float, float]:
    """Passes of an image's explanation, and the forwards among them; 0 where nobody knows."""
    with suppress(Exception):  # a plug-in's declaration, or a network without the layer asked for
        forwards, backwards = run.cost(method).total(targets)
        return forwards + BACKWARD * backwards, forwards
    return 0.0, 0.0


def _per_image(run: Run, method: MethodRequest, subset_over: float) -> float:
    """Passes of one more explanation of an image, where only a subset gets those that cost most."""
    passes, forwards = _explained(run, method, 1)
    return passes * (min(1.0, SUBSET_IMAGES / len(run.dataset)) if forwards > subset_over else 1.0)


def _scored(metric: MetricRequest) -> tuple[float, float]:
    """Inputs that a metric declares to forward or explain an image, 0 where it does not.

    And the forwards of a method over which a subset alone is measured.
    """
    with suppress(Exception):
        found = metric_cost([metric], (224, 224)) or MetricCost()
        return float(found.explains or found.forwards or found.shared), found.subset_over
    return 0.0, MetricCost.subset_over
