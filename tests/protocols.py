"""Protocols of one's own, for what must reach every value that a protocol has."""

from __future__ import annotations

from typing import Any

from xaibench.config.protocol import Protocol
from xaibench.normalize import STEPS
from xaibench.registry import Range, entries, get


def another(annotation: Any, value: Any) -> Any:
    """Another value that an option takes."""
    choices = getattr(annotation, "__args__", ())
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        options = [c for c in choices if c != value] or ["iba" if value == "cam" else "cam"]
        return options[-1]
    bounds = [r for r in getattr(annotation, "__metadata__", ()) if isinstance(r, Range)]
    step = 2 if any(r.odd for r in bounds) else 1
    tops = [r.high for r in bounds]
    return value / 2 if isinstance(value, float) and min(tops, default=2) <= 1 else value + step


def everything_else(before: Protocol) -> Protocol:
    """A protocol that differs in every value that there is."""
    made: dict[str, Any] = {"methods": {}, "metrics": {}, "transforms": {}}
    for kind, held in made.items():
        for name in entries(kind):
            entry = get(kind, name)
            values = entry.resolve(getattr(before, kind).get(entry.key, {}))
            held[entry.key] = {k: another(entry.options[k][0], v) for k, v in values.items()}
    steps: dict[str, dict[str, Any]] = {}
    for name in entries("methods"):
        declared = get("methods", name).metadata.get("normalization", {})
        here = {k: v[-1] for k, v in STEPS.items() if isinstance(v[0], bool)}
        here |= {"rectify": "none", "border": "clamp"} | declared
        here |= before.normalization.get(name, {})
        steps[name] = {k: next(c for c in STEPS[k] if c != here[k]) for k in STEPS}
    groups = {
        name: {t: 1 if before.batchnorm_group(name, t, "32") > 1 else 5 for t in ("mixup", "crop")}
        for name in entries("methods")
    }
    other = "short_side" if before.preprocessing.resize == "squash" else "squash"
    return Protocol(
        name="mine",
        description="everything else",
        preprocessing={"resize": other},  # type: ignore[arg-type]
        probability="float64" if before.probability == "float32" else "float32",
        normalization=steps,
        batchnorm_groups=groups,  # type: ignore[arg-type]
        **made,
    )
