"""What `xaibench plan` says a run takes, against what it then takes."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import Measure, Pairs, row
from benchmarks.setting import MODEL, Setting
from xaibench.api import plan_configs
from xaibench.config.run import find_config, load_config


def _planned(setting: Setting, name: str, method: str, limit: int, data: str = "") -> Pairs:
    """Seconds planned and taken of a run from an empty directory; measured anew each time.

    data: other images than the setting's photographs.
    """
    values = {
        "data": data or str(setting.photographs),
        "model": MODEL,
        "device": str(setting.device),
        "method": method,
        "limit": limit,
        "out": setting.scratch / name,
    }
    while True:
        setting.emptied(name)
        config = load_config(values, find_config("table1"))
        planned = plan_configs([config], lambda _line: None, anew=True).seconds()
        metrics = ",".join(config.metric)
        asked = {"data": values["data"], "method": method, "metric": metrics}
        yield planned, setting.run(name, limit, **asked)


def _row(name: str, what: str, images: str) -> Callable[[Measure], Measure]:
    """Declare a row: within 15% either way."""
    what = f"planned time of {what} under Table 1's metrics, {images}"
    taken = "the time taken"
    return row(name, what, other=taken, unit="s", at_least=0.85, at_most=1.15, pairs=1)


@_row("plan-embedded", "Grad-CAM and the gradient", "the 20 embedded photographs")
def plan_embedded(setting: Setting) -> Pairs:
    return _planned(setting, "plan-embedded", "gradcam,gradient", 20, "samples")


@_row("plan-photographs", "Grad-CAM", "100 photographs")
def plan_photographs(setting: Setting) -> Pairs:
    return _planned(setting, "plan-photographs", "gradcam", 100)


@_row("plan-gradients", "Grad-CAM, gradient, IG", "20 photographs")
def plan_gradients(setting: Setting) -> Pairs:
    return _planned(setting, "plan-gradients", "gradcam,gradient,ig", 20)


@_row("plan-scorecam", "Score-CAM", "3 photographs")
def plan_scorecam(setting: Setting) -> Pairs:
    return _planned(setting, "plan-scorecam", "scorecam", 3)
