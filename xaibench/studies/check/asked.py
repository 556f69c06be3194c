"""What a check consists of: the method, what it is set beside, the metrics and the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xaibench.config.catalog import STAND_IN, STOOD_IN
from xaibench.config.declared import of_run
from xaibench.config.names import expand
from xaibench.config.protocol import Protocol, load_protocol
from xaibench.config.requests import (
    MethodRequest,
    check_protocol,
    resolve_methods,
    resolve_metrics,
)
from xaibench.config.run import RunConfig
from xaibench.datasets.load import load_dataset
from xaibench.datasets.select import ordered
from xaibench.errors import UsageError
from xaibench.registry import entries
from xaibench.registry.files import located
from xaibench.studies.ablation import directory_name
from xaibench.studies.check.passes import explaining, scoring

MOST = 250
"""Passes an image: metrics of the shipped list that take more are left out."""
OTHER = {"ground_truth": "least_probable", "predicted": "least_probable"}
"""Whose map is set beside that of a target; beside that of the least probable, the predicted."""
SWITCHES = "switches"
Left = tuple[tuple[str, str], ...]
"""(what, why) of what is not tested."""


@dataclass(frozen=True)
class Check:
    """A check, resolved.

    Attributes:
        config: of the run; its methods are those set beside the judged one.
        protocol: the run's.
        method: the spec judged, as its results are stored.
        call: the same as it is asked for; "" where there are maps alone.
        controls, standards: specs of what it is set beside.
        metrics: specs.
        target, other: the explained class, and the one whose map is compared.
        images: those that are asked for; none where there are maps alone.
        left_out: what is not tested.
    """

    config: RunConfig
    protocol: Protocol
    method: str
    call: str
    controls: tuple[str, ...]
    standards: tuple[str, ...]
    metrics: tuple[str, ...]
    target: str
    other: str
    images: tuple[str, ...]
    left_out: Left

    @property
    def root(self) -> Path:
        """The run directory of the protocol itself."""
        return self.config.directory

    @property
    def first(self) -> str:
        """The name of the protocol as a directory's."""
        return directory_name(self.protocol.name)

    @property
    def calls(self) -> tuple[str, ...]:
        """All methods that there is a function of, as they are asked for."""
        return (*self.config.method, *([self.call] if self.call else []))

    @property
    def folder(self) -> Path:
        """Where the runs under other protocols lie."""
        return self.root / SWITCHES

    @property
    def methods(self) -> tuple[str, ...]:
        """The specs of all, the judged one first."""
        return (self.method, *self.controls, *self.standards)


def asked_for(config: RunConfig, method: str | None, against: Sequence[str], chosen: bool) -> Check:
    """What a check consists of.

    config: its methods are the standards; against: more of these. chosen: whether its metrics were
    asked for; else they are the shipped list, of which the dearest are left out. Raises UsageError
    for a method that is none, or for a method and maps at once.
    """
    if (method is None) == (config.maps is None):
        raise UsageError("check takes one method, or --maps FILE: give one of the two.")
    protocol = load_protocol(config.protocol)
    check_protocol(protocol)
    judged = resolve_methods([method], protocol) if method else []
    if len(judged) > 1:
        raise UsageError(f"check takes one method, and '{method}' is {len(judged)}: name one.")
    spec = judged[0].spec if judged else config.name or Path(str(config.maps)).stem
    families = {key: entry.metadata.get("family") for key, entry in entries("methods").items()}
    controls = [key for key, family in families.items() if family == "control" and key != spec]
    named = expand("methods", (*config.method, *against))
    calls = {resolve_methods([call], protocol)[0].spec: call for call in named}
    standards = {one: call for one, call in calls.items() if one not in (spec, *controls)}
    metrics, left_out = _metrics(config, protocol, judged, chosen)
    target, images = _explained(config, method is not None)
    update = {
        "method": (*controls, *standards.values()),
        "metric": tuple(located(metric, config.files) for metric in metrics),
        "target": (target,),
    }
    return Check(
        config.model_copy(update=update),
        protocol,
        spec,
        method or "",
        tuple(controls),
        tuple(standards),
        metrics,
        target,
        OTHER.get(target, "predicted"),
        images,
        left_out,
    )


def _explained(config: RunConfig, listed: bool) -> tuple[str, tuple[str, ...]]:
    """The one class that is explained, and the images where they are to be listed."""
    if len(config.target) > 1:
        raise UsageError(f"check explains one class, not {len(config.target)}: give one --target.")
    if config.target and not listed:
        return config.target[0], ()
    dataset = load_dataset(config.data_name, config.classes)
    target = "ground_truth" if dataset.labelled else "predicted"
    subset = ordered(dataset, config.subset, config.per_class, config.seed) if listed else None
    images = tuple(dataset.ids[place] for place in subset.first(config.limit)) if subset else ()
    return config.target[0] if config.target else target, images


def _metrics(
    config: RunConfig, protocol: Protocol, judged: Sequence[MethodRequest], chosen: bool
) -> tuple[tuple[str, ...], Left]:
    """The specs of the metrics, and what is left out and why."""
    known = entries("metrics")
    boxes = [key for key, one in known.items() if "boxes" in (one.metadata.get("needs") or ())]
    rest = [key for key, one in known.items() if not one.metadata.get("opt_in")]
    explain = explaining(judged[0]) if judged else 0.0
    wanted = [*config.metric, *(boxes if config.boxes and not chosen else ())]
    kept: list[str] = []
    left: dict[str, str] = {}
    requests = resolve_metrics([*wanted, *(() if chosen else rest)], protocol)
    declared = of_run([], requests, protocol.model_dump(mode="json"))
    for metric in requests:
        passes = sum(scoring([metric], explain))
        if not judged and "explain" in metric.needs:
            left[metric.spec] = "it explains other inputs, which maps alone cannot"
        elif not chosen and declared.metric(metric.spec).explains == STAND_IN:
            left[metric.spec] = STOOD_IN
        elif not chosen and (passes > MOST or metric.key not in wanted):
            left[metric.spec] = (
                f"{passes:,.0f} passes an image; --metric all, or its name, takes it"
            )
        else:
            kept.append(metric.spec)
    if not kept:
        what, why = next(iter(left.items()))
        raise UsageError(f"{what} cannot be taken ({why}): give another --metric.")
    left |= dict.fromkeys(() if chosen or config.boxes else boxes, "--boxes DIR takes it")
    return tuple(kept), tuple(left.items())
