"""A method with few masks, samples and steps."""

from __future__ import annotations

from xaibench.registry import entries, get

SMALL = {"n_masks": 12, "n_samples": 12, "steps": 3, "samples": 2}


METHODS = list(entries("methods"))


def spec_of(name: str, **more: object) -> str:
    """The method with small values of the options that it has."""
    options = get("methods", name).options
    chosen = {k: v for k, v in {**SMALL, **more}.items() if k in options}
    return f"{name}({', '.join(f'{k}={v!r}' for k, v in chosen.items())})"
