"""`plan`: what a run will take, before it begins."""

from __future__ import annotations

import math
from typing import Annotated, Any, Optional

import typer

from xaibench.cli import options as o
from xaibench.cli.runs import Config, configs_of
from xaibench.cli.screen import aside, document, echo
from xaibench.errors import UsageError

MORE: dict[str, Any] = {
    "config": Config,
    "rate": Annotated[
        Optional[float],
        o.option(
            "rate",
            "Forwards a second to reckon with; then nothing is measured, and no weights are "
            "needed. [default: measured here, once a device, network and version]",
        ),
    ],
    "devices": Annotated[
        Optional[str],
        o.option(
            "devices", "Devices that share the work; all: the GPUs of this machine. [default: 1]"
        ),
    ],
    "price_per_hour": Annotated[
        Optional[float], o.option("price-per-hour", "Dollars an hour and device.")
    ],
    "recalibrate": Annotated[
        Optional[bool], o.option("recalibrate", "Measure again what is known of this device.")
    ],
    "json": o.Json,
}
MOST_DEVICES = 100_000
LEAST_RATE, MOST_DOLLARS = 1e-6, 1e9
"""What is less or more makes times and prices that are no numbers."""
WITHOUT = ("maps", "name", "dry_run")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        "plan",
        epilog="Examples:\n\n  xaibench plan --method gradcam,scorecam --metric insertion\n\n"
        "  xaibench plan --config paper --data /data/imagenet --rate 2500 --devices 4 "
        "--price-per-hour 2",
    )(o.command(plan, WITHOUT, MORE, before="model"))


def plan(values: dict[str, Any]) -> None:
    """Say what a run will take: passes, images, bytes, time, dollars; nothing is written.

    What takes how long is measured on the first images, about a second a method and metric, and
    kept in XDG_CACHE_HOME or ~/.cache, below xaibench/.
    """
    rate, price = values.pop("rate"), values.pop("price_per_hour")
    devices = _devices(values.pop("devices"))
    anew, as_json = bool(values.pop("recalibrate")), bool(values.pop("json"))
    if rate is not None and not LEAST_RATE <= rate < math.inf:
        raise UsageError(f"rate {rate:g}: give forwards a second, above 0.")
    if price is not None and not 0 <= price <= MOST_DOLLARS:
        raise UsageError(f"price-per-hour {price:g}: give dollars, at least 0.")
    if rate is not None and anew:
        raise UsageError("--recalibrate measures, and --rate says that nothing is: give one.")
    configs = configs_of(values)
    from xaibench.api import plan_configs

    done = plan_configs(configs, aside if as_json else echo, rate=rate, anew=anew)
    from xaibench.execution import estimate

    if as_json:
        document(estimate.as_json(done, devices, price))
        return
    for line in estimate.page(done, devices, price):
        echo(line)
    echo("nothing is written; next: `xaibench run` with the same options")


def _devices(said: str | None) -> int:
    """How many devices to reckon with. Raises UsageError for what is no such number."""
    from xaibench.config.early import cuda_devices

    if said is None:
        return 1
    if said == "all":
        return cuda_devices() or 1
    if not (said.isdecimal() and 1 <= int(said[:7]) <= MOST_DEVICES):
        raise UsageError(f"devices {said}: give a number from 1 to {MOST_DEVICES:,}, or all.")
    return int(said)
