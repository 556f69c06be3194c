"""How many passes an image takes, as methods and metrics declare: what a check leaves out by it."""

from __future__ import annotations

from collections.abc import Iterable

from xaibench.config.reach import Cell, same_maps
from xaibench.config.requests import MethodRequest, MetricRequest
from xaibench.config.switches import Switch
from xaibench.core.explain import cost
from xaibench.costs import MetricCost
from xaibench.execution.amounts import metric_cost
from xaibench.execution.weights import BACKWARD
from xaibench.studies.ablation import Study, resolved

CHANNELS = 2_048
"""Of the CAM layer, where a cost depends on them: ResNet-50's, since no network is loaded here."""
SIZE = (224, 224)


def explaining(method: MethodRequest) -> float:
    """Passes of one image's explanation, a backward as `BACKWARD` forwards; 0 if undeclared."""
    forwards, backwards = cost(method, lambda: CHANNELS).total(1)
    return forwards + BACKWARD * backwards


def scoring(metrics: Iterable[MetricRequest], explain: float) -> tuple[float, float]:
    """Passes of one image's scores: of each method, and those that serve all methods at once.

    explain: passes of the method's explanation, for metrics that explain other inputs.
    """
    own = shared = 0.0
    calls: dict[tuple[str, str], list[MetricRequest]] = {}
    for metric in metrics:
        calls.setdefault((metric.entry.key, str(sorted(metric.options.items()))), []).append(metric)
    for asked in calls.values():
        declared = metric_cost(asked, SIZE) or MetricCost()
        passes = declared.forwards + BACKWARD * declared.backwards
        shared += declared.shared + (passes if declared.any_method else 0)
        own += declared.explains * explain + (0 if declared.any_method else passes)
    return own, shared


def of_study(plan: Study, cells: Iterable[Cell], switch: Switch | None = None) -> float:
    """Passes an image of some cells under the first protocol, or with one switch turned.

    Explanations count where there are none yet that serve: under the first protocol alone, and
    with switches that change maps.
    """
    methods: dict[str, tuple[MethodRequest, list[MetricRequest]]] = {}
    for cell in cells:
        found = resolved(
            plan.derived.get(switch, plan.before) if switch else plan.before, cell, switch
        )
        methods.setdefault(found.method.spec, (found.method, []))[1].append(found.metric)
    total = most = 0.0
    for method, metrics in methods.values():
        explain = explaining(method)
        own, shared = scoring(metrics, explain)
        total += own + (explain if _explains(switch) else 0)
        most = max(most, shared)
    return total + most


def _explains(switch: Switch | None) -> bool:
    """Whether maps have to be made for a switch."""
    if switch is None or switch.section == "methods":
        return True
    return switch.whole_run and not same_maps(switch, "none", "none")
