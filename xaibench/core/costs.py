"""What metrics cost in network passes, from what they declare."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xaibench.config.requests import MetricRequest
from xaibench.types import MetricCost


def given(declared: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """What a declared function says, called with those of some values that it takes."""
    taken = inspect.signature(declared).parameters.values()
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken):
        return declared(**values)
    return declared(**{one.name: values[one.name] for one in taken if one.name in values})


def metric_cost(asked: Sequence[MetricRequest], size: tuple[int, int]) -> MetricCost | None:
    """Passes of one call for some keys of a function; None where it declares none."""
    declared = asked[0].entry.metadata.get("cost")
    if declared is None:
        return None
    wanted = tuple(sorted({metric.key for metric in asked}))
    found = given(declared, {**asked[0].options, "height": size[0], "wanted": wanted})
    if isinstance(found, MetricCost):
        return found
    return MetricCost(forwards=found)


def calls(metrics: Sequence[MetricRequest]) -> dict[str, list[MetricRequest]]:
    """Metrics by the call that gives them: those of a function with the same options share one."""
    found: dict[str, list[MetricRequest]] = {}
    for metric in metrics:
        name = f"{metric.entry.key} {sorted(metric.options.items())}"
        found.setdefault(name, []).append(metric)
    return found
