"""Quantus itself for the metrics it has: one image at a time, on copies, with seeded draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from xaibench.ops.rows import one_thread
from xaibench.registry import Range, metric
from xaibench.seeds import derive
from xaibench.types import Scoring, Values

PLAIN: dict[str, Any] = {
    "abs": False,
    "normalise": False,
    "disable_warnings": True,
    "display_progressbar": False,
}

_SENSITIVITY = ("quantus_max_sensitivity", "quantus_avg_sensitivity")


@metric(
    keys={
        "quantus_sparseness": {"doc": "Quantus: Sparseness.", "direction": "higher"},
        "quantus_complexity": {"doc": "Quantus: Complexity.", "direction": "lower"},
        "quantus_effective_complexity": {
            "doc": "Quantus: EffectiveComplexity.",
            "direction": "lower",
        },
        "quantus_completeness": {"doc": "Quantus: Completeness.", "direction": "none"},
        "quantus_monotonicity": {
            "doc": "Quantus: MonotonicityCorrelation over channel entries.",
            "direction": "higher",
        },
        "quantus_max_sensitivity": {"doc": "Quantus: MaxSensitivity.", "direction": "lower"},
        "quantus_avg_sensitivity": {"doc": "Quantus: AvgSensitivity.", "direction": "lower"},
    },
    needs=lambda explanation, **_: (
        ("forwards", "explain") if explanation == "method" else ("forwards",)
    ),
    probability=False,
    only={
        "threshold": ("quantus_effective_complexity",),
        "rows_per_step": ("quantus_monotonicity",),
        "draws": ("quantus_monotonicity", *_SENSITIVITY),
        "radius": _SENSITIVITY,
        "explanation": _SENSITIVITY,
    },
    opt_in=True,
    citation="hedstrom2023quantus",
)
def quantus_backend(
    scoring: Scoring,
    *,
    rows_per_step: Annotated[int, Range(1)] = 32,
    draws: Annotated[int, Range(1)] = 10,
    radius: Annotated[float, Range(0)] = 0.2,
    explanation: Literal["method", "gradient_stand_in"] = "gradient_stand_in",
    threshold: float = 1e-5,
) -> Values:
    """The metrics as Quantus 0.6 computes them (Hedstroem et al. 2023).

    Each image is its own batch, so that no result depends on its neighbours, on copies, since
    Quantus writes into its inputs; NumPy's global generator is seeded by (seed, image) and
    restored. Monotonicity takes the 3 H W channel entries. A map that Quantus refuses (all values
    equal) gives NaN.
    """
    options = {
        "rows_per_step": rows_per_step,
        "draws": draws,
        "radius": radius,
        "explanation": explanation,
        "threshold": threshold,
    }
    results = {}
    for key in sorted(scoring.wanted):
        name = key.removeprefix("quantus_")
        values = [_one(scoring, i, name, options) for i in range(len(scoring.batch))]
        results[key] = torch.tensor(values, dtype=torch.float64)
    return results


def _one(scoring: Scoring, i: int, name: str, options: dict[str, Any]) -> float:
    """One image's value, NaN where Quantus refuses the map."""
    map_ = scoring.maps[i].cpu().numpy()
    if not np.isfinite(map_).all() or map_.min() == map_.max():
        return float("nan")
    image = scoring.batch.images[i].cpu().numpy()
    runner = RUNNERS[name]
    # Quantus forwards an image at a time, whose bits would depend on the number of threads
    seed = derive(scoring.ctx.seed, scoring.batch.ids[i], name) % 2**32
    with global_generator(seed), one_thread():
        return float(runner(scoring, i, image.copy()[None], map_.copy()[None], options)[0])


@contextmanager
def global_generator(seed: int) -> Iterator[None]:
    """Inside, NumPy's global generator is seeded and warnings are silent; then restored."""
    import warnings

    held = np.random.get_state()  # noqa: NPY002 - Quantus draws from the global generator
    np.random.seed(seed)  # noqa: NPY002
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(held)  # noqa: NPY002


def _call(metric_: Any, scoring: Scoring, i: int, image: Any, map_: Any, **more: Any) -> Any:
    target = np.array([int(scoring.target[i])])
    return metric_(
        model=scoring.ctx.classifier.module,
        x_batch=image,
        y_batch=target,
        a_batch=map_,
        channel_first=True,
        device=str(scoring.ctx.device),
        **more,
    )


def _sparse(kind: str) -> Callable[..., Any]:
    def run(scoring: Scoring, i: int, image: Any, map_: Any, options: dict[str, Any]) -> Any:
        import quantus

        more = {"eps": options["threshold"]} if kind == "EffectiveComplexity" else {}
        # float64: in float32 Quantus's sums carry 1e-7 of rounding
        return _call(
            getattr(quantus, kind)(**PLAIN, **more), scoring, i, image, map_.astype(np.float64)
        )

    return run


def _completeness(scoring: Scoring, i: int, image: Any, map_: Any, options: dict[str, Any]) -> Any:
    import quantus

    # 0.6 makes only as many entries "black" as the map has: give it three channels, two of zeros
    padded = np.stack([map_, np.zeros_like(map_), np.zeros_like(map_)], axis=1)
    metric_ = quantus.Completeness(perturb_baseline="black", **PLAIN)
    return _call(metric_, scoring, i, image, padded, softmax=False)


def _monotonicity(scoring: Scoring, i: int, image: Any, map_: Any, options: dict[str, Any]) -> Any:
    import quantus

    metric_ = quantus.MonotonicityCorrelation(
        eps=1e-5,
        nr_samples=options["draws"],
        features_in_step=options["rows_per_step"] * image.shape[-1],
        perturb_baseline="uniform",
        **PLAIN,
    )
    return _call(metric_, scoring, i, image, map_, softmax=True)


def _sensitivity(kind: str) -> Callable[..., Any]:
    def run(scoring: Scoring, i: int, image: Any, map_: Any, options: dict[str, Any]) -> Any:
        import quantus

        settings = {**PLAIN, "abs": True, "nr_samples": options["draws"]}
        metric_ = getattr(quantus, kind)(**settings, lower_bound=options["radius"])
        if options["explanation"] == "method":
            explain, arguments = _adapted(scoring, i), {}
        else:
            name = "Gradient" if scoring.family == "gradient" else "Saliency"
            explain, arguments = quantus.explain, {"method": name}
        return _call(
            metric_,
            scoring,
            i,
            image,
            map_,
            explain_func=explain,
            explain_func_kwargs=arguments,
        )

    return run


def _adapted(scoring: Scoring, i: int) -> Callable[..., Any]:
    """The scored method in the form in which Quantus calls explanations."""

    def explain(model: Any, inputs: Any, targets: Any, **_: Any) -> Any:
        values = torch.as_tensor(np.asarray(inputs, dtype=np.float32), device=scoring.ctx.device)
        rows = torch.full((len(values),), i, device=scoring.ctx.device)
        assert scoring.explain is not None
        maps: Tensor = scoring.explain(values, rows)
        return maps.cpu().numpy()

    return explain


RUNNERS: dict[str, Callable[..., Any]] = {
    "sparseness": _sparse("Sparseness"),
    "complexity": _sparse("Complexity"),
    "effective_complexity": _sparse("EffectiveComplexity"),
    "completeness": _completeness,
    "monotonicity": _monotonicity,
    "max_sensitivity": _sensitivity("MaxSensitivity"),
    "avg_sensitivity": _sensitivity("AvgSensitivity"),
}
