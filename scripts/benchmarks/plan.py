"""What `xaibench plan` says a run takes, against what it then takes."""

from __future__ import annotations

from benchmarks import Pairs, row
from benchmarks.setting import MODEL, Setting
from xaibench.api import plan_configs
from xaibench.config.run import find_config, load_config


def _planned(setting: Setting, name: str, method: str, limit: int) -> Pairs:
    """Seconds planned and taken of a run from an empty directory; measured anew each time."""
    values = {
        "data": str(setting.photographs),
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
        yield planned, setting.run(name, limit, method=method, metric=metrics)


@row(
    "plan-gradients",
    "planned time of Grad-CAM, gradient, IG under Table 1's metrics",
    other="the time taken",
    unit="s",
    at_least=0.85,
    at_most=1.15,
    pairs=3,
)
def plan_gradients(setting: Setting) -> Pairs:
    """20 photographs."""
    return _planned(setting, "plan-gradients", "gradcam,gradient,ig", 20)


@row(
    "plan-scorecam",
    "planned time of Score-CAM under Table 1's metrics",
    other="the time taken",
    unit="s",
    at_least=0.85,
    at_most=1.15,
    pairs=3,
)
def plan_scorecam(setting: Setting) -> Pairs:
    """3 photographs."""
    return _planned(setting, "plan-scorecam", "scorecam", 3)
