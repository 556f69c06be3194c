"""Metrics on a scoring: values and statuses, all metrics' forwards in one stream."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from xaibench.config.requests import MethodRequest, MetricRequest
from xaibench.core.drive import drive
from xaibench.core.explain import described
from xaibench.core.memory import check_device, out_of_memory, release
from xaibench.errors import reason
from xaibench.normalize import STATUS_NONFINITE, STATUS_OK, normalize, statuses
from xaibench.types import Answer, Batch, Context, Explain, Memo, Rows, Scoring, Values

_LOG = logging.getLogger(__name__)
NEEDS = {
    "forwards": "the network and the images",
    "explain": "the method on other inputs",
    "boxes": "bounding boxes",
}
"""What a metric can declare that it needs; it gets None, or no images, for what it does not."""


@dataclass(frozen=True)
class Result:
    """A metric's values with their statuses, one an image; NaN where the status says so.

    curve: (B, S), where the metric gives what its values come from.
    """

    values: list[float]
    statuses: list[str]
    curve: Tensor | None = None


@dataclass(frozen=True)
class Scores:
    """Results of metrics by spec, why others failed, and which lacked the memory."""

    results: dict[str, Result]
    failed: dict[str, str]
    short: dict[str, str] = field(default_factory=dict)


def memo(held: dict[str, Tensor]) -> Memo:
    """Results kept in a dictionary, each computed once."""

    def once(key: str, compute: Callable[[], Tensor]) -> Tensor:
        if key not in held:
            held[key] = compute()
        return held[key]

    return once


def seen(
    ctx: Context,
    method: MethodRequest,
    batch: Batch,
    native: Tensor,
    base: Answer,
    *,
    transform: str = "none",
    scalars: Mapping[str, Tensor],
    explain: Explain | None = None,
    shared: Memo | None = None,
    extras: Mapping[str, Any],
) -> Scoring:
    """What metrics see of a batch's first target.

    native (B, h, w): the method's maps. base: logit and probability of that class. scalars: the
    method's own (B,) values. shared: results that methods and targets have in common.
    """
    device = batch.images.device
    return Scoring(
        batch=batch,
        maps=normalize(native, batch.size, method.steps(transform)).to(device),
        target=batch.targets[:, 0],
        logit=base.logit.to(device),
        probability=base.probability.to(device),
        ctx=ctx,
        scalars={k: v.to(device) for k, v in scalars.items()},
        native=native.to(device),
        family=str(method.entry.metadata.get("family", "")),
        additive=bool(method.entry.metadata.get("additive", False)),
        explain=explain,
        memo=shared,
        extras=extras,
    )


def score(base: Scoring, metrics: Sequence[MetricRequest]) -> Scores:
    """Run metrics on a scoring.

    Keys of one function with equal options are called once; where the common stream breaks, each
    function runs alone, so that one cannot take the others with it.
    """
    calls: dict[str, list[MetricRequest]] = {}
    for metric in metrics:
        calls.setdefault(f"{metric.entry.key} {sorted(metric.options.items())}", []).append(metric)
    failed: dict[str, str] = {}
    short: dict[str, str] = {}
    try:
        values, wrong = _drive(base, calls), False
    except Exception as error:
        check_device(error)
        values, wrong, full = {}, True, out_of_memory(error)
    if wrong:  # out of `except`: an error holds the tensors that it met
        if full:
            release()
        for name, asked in calls.items():
            try:
                values |= _drive(base, {name: asked})
            except Exception as error:
                check_device(error)
                _LOG.debug("%s failed", name, exc_info=error)
                into = short if out_of_memory(error) else failed
                into |= dict.fromkeys((m.spec for m in asked), _why(error, asked[0]))
    of_maps, results = statuses(base.maps), {}
    for name, found in values.items():
        for metric in calls[name]:
            why = _wrong(metric, found, len(base.batch))
            if why:
                failed[metric.spec] = why
            else:
                results[metric.spec] = _result(found[metric.key], of_maps)
    return Scores(results, failed, short)


def _why(error: Exception, metric: MetricRequest) -> str:
    """A metric's error as one line; with what to do where it took what it does not declare."""
    missing = [need for need in NEEDS if need not in metric.needs]
    took = [str(key) for key in error.args if key in NEEDS] if isinstance(error, KeyError) else []
    of_none = isinstance(error, AttributeError | TypeError) and "NoneType" in str(error)
    text = reason(error, metric.entry.function)
    if not missing or not (of_none or took):
        return text
    listed = ", ".join(f"'{need}' ({NEEDS[need]})" for need in took or missing)
    return f"{text}: a metric declares in needs=(...) what it uses, this one not {listed}"


def _wrong(metric: MetricRequest, values: Values, count: int) -> str:
    """What is wrong with a metric's result; empty where nothing is."""
    if not isinstance(values, Mapping) or metric.key not in values:
        return f"metric {metric.entry.key} returned no '{metric.key}'."
    result = values[metric.key]
    tensor = result.values if isinstance(result, Rows) else result
    own = len(result.statuses or range(count)) if isinstance(result, Rows) else count
    real = isinstance(tensor, Tensor) and not tensor.is_complex()
    if not real or tensor.shape != (count,) or own != count:
        return (
            f"metric {metric.entry.key} must return {count} values for '{metric.key}', a tensor; "
            f"it returned {described(tensor)}."
        )
    curve = result.curve if isinstance(result, Rows) else None
    if curve is None and not metric.curve:
        return ""
    shape = curve.shape if isinstance(curve, Tensor) and not curve.is_complex() else ()
    if len(shape) != 2 or shape[0] != count or not shape[1]:
        return (
            f"metric {metric.entry.key} must return Rows(values, curve=...) for '{metric.key}', "
            f"the curve a tensor ({count}, steps); it returned {described(curve)}."
        )
    return ""


def _drive(base: Scoring, calls: dict[str, list[MetricRequest]]) -> dict[str, Values]:
    started = {}
    for name, asked in calls.items():
        mine = replace(_own(base), wanted=frozenset(m.key for m in asked))
        started[name] = (asked[0].entry(mine, **asked[0].options), mine)
    return drive(started)


def _own(base: Scoring) -> Scoring:
    """A scoring with tensors of its own: what a metric does to them reaches no other."""
    batch = base.batch
    seen = batch.images.stride(0) != 0  # else nothing needs the images and none were read
    return replace(
        base,
        batch=replace(
            batch,
            images=batch.images.clone() if seen else batch.images,
            labels=batch.labels.clone(),
            targets=batch.targets.clone(),
        ),
        maps=base.maps.clone(),
        target=base.target.clone(),
        logit=base.logit.clone(),
        probability=base.probability.clone(),
        scalars={name: value.clone() for name, value in base.scalars.items()},
        native=None if base.native is None else base.native.clone(),
        extras=copy.deepcopy(dict(base.extras)),
    )


def _result(result: Tensor | Rows, of_maps: list[str]) -> Result:
    """Values with their statuses: a map's own status first, then the metric's."""
    values = result.values if isinstance(result, Rows) else result
    numbers = values.double().cpu().tolist()
    said = result.statuses if isinstance(result, Rows) else ()
    own = list(said) or [STATUS_OK] * len(numbers)
    status = []
    for i, (from_map, from_metric) in enumerate(zip(of_maps, own, strict=True)):
        if from_metric != STATUS_OK:
            numbers[i], worst = float("nan"), from_metric
        elif from_map == STATUS_NONFINITE or not math.isfinite(numbers[i]):
            numbers[i], worst = float("nan"), STATUS_NONFINITE
        else:
            worst = from_map
        status.append(worst)
    return Result(numbers, status, result.curve if isinstance(result, Rows) else None)
