"""How long passes take here: each asked method and metric on one batch, for about a second each.

A method or metric with many passes is stopped in their midst: what one takes, with what is between
two, is known by then. Results are kept in the user's cache by device, network and library versions.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xaibench import meter, pool
from xaibench.config.files import digest
from xaibench.config.requests import MethodRequest, MetricRequest
from xaibench.config.urls import cache
from xaibench.core.explain import prepare
from xaibench.core.score import memo, seen
from xaibench.errors import XaibenchError
from xaibench.execution.amounts import Line
from xaibench.models.device import device_name, exact_arithmetic
from xaibench.stages.run import Run
from xaibench.store.atomic import read_json, write_json
from xaibench.store.manifest import versions
from xaibench.types import Answer, Batch, Context, Scoring

SECONDS = 0.8
"""How long one thing is measured, if it takes as long."""
clock = time.perf_counter


@dataclass(frozen=True)
class Rate:
    """Seconds of an image, and besides of each row that is forwarded for it."""

    image: float = 0.0
    row: float = 0.0


class _Enough(Exception):
    """Raised inside of a method to end it."""


def cache_folder() -> Path:
    """Where rates are kept: xaibench/rates in XDG_CACHE_HOME, or in ~/.cache."""
    return cache() / "rates"


def key_of(line: Line) -> str:
    """What a line's rate is kept under, without the input's size."""
    metrics = ",".join(line.metrics)
    return f"{line.stage} {line.method if line.stage == 'explain' else metrics} {line.targets}"


class Calibration:
    """Rates by line, measured when asked for, unless they are known or `measure` is off."""

    def __init__(self, run: Run, measure: bool = True, anew: bool = False) -> None:
        self.run, self.measure, self.seconds = run, measure, 0.0
        exact_arithmetic(run.device)
        network = run.classifier
        config = run.config.model_dump(mode="json")
        self._of = {
            "device": device_name(run.device),
            "processor": os.cpu_count(),
            "network": [network.name, network.weights_sha256, network.roles],
            "input": network.input.crop,
            "batch": run.batch_size,
            "protocol": run.protocol.sha256,
            "workers": run.config.workers,
            "dtype": config.get("dtype"),
            "compiled": network.compiled,
            "versions": versions(),
        }
        self.path = cache_folder() / f"{digest(self._of)[:24]}.json"
        self._rates: dict[str, Rate] = {} if anew else self._read()

    def _read(self) -> dict[str, Rate]:
        try:
            held = read_json(self.path)
            found = {name: Rate(**one) for name, one in held["rates"].items()}
            return found if all(map(_sane, found.values())) else {}
        except (XaibenchError, KeyError, TypeError, AttributeError):
            return {}

    def save(self) -> None:
        """Keep what was measured; a cache that cannot be written is done without."""
        if self.seconds:
            rates = {name: asdict(rate) for name, rate in self._rates.items()}
            with suppress(XaibenchError, OSError):
                write_json(self.path, {"of": self._of, "rates": rates})

    def of(self, line: Line) -> Rate | None:
        """The rate of a line; None where it is not known and not to be measured."""
        factor = 1.0
        side = self.run.classifier.input.crop
        if line.size not in ((0, 0), (side, side)):
            own, other = self._get("forward", side, side), self._get("forward", *line.size)
            if own is None or other is None:
                return None
            factor = other.row / own.row
        if line.stage in ("predict", "prepare"):
            rate = self._get("forward", side, side)
        elif line.stage == "read":
            rate = self._get("read", 0, 0)
        else:
            name = key_of(line)
            if name not in self._rates and self.measure:
                self._time(name, lambda: self._line(line))
            rate = self._rates.get(name)
        pixels = line.size[0] * line.size[1] / side**2 if any(line.size) else 1.0
        return rate and Rate(rate.image * pixels, rate.row * factor)

    def _get(self, what: str, height: int, width: int) -> Rate | None:
        name = f"{what} {height} {width}"
        if name not in self._rates and self.measure:
            make = self._decode if what == "read" else lambda: self._forward(height, width)
            self._time(name, make)
        return self._rates.get(name)

    def _time(self, name: str, measure: Callable[[], Rate]) -> None:
        start = clock()
        self._rates[name] = measure()
        self.seconds += clock() - start

    def _decode(self) -> Rate:
        """On the workers, as in a long run; these start before, which is no image's."""
        places = self.run.selection[:64]
        if self.run.config.workers:
            pool.submit(self.run.config.workers, abs, 0).result()
        start = clock()
        self.run.decode(places)
        return Rate(image=(clock() - start) / len(places))

    def _forward(self, height: int, width: int) -> Rate:
        rows = self.run.classifier.rows_at((height, width))
        images = torch.randn(rows, 3, height, width, generator=torch.Generator().manual_seed(0))
        ctx = replace(self.run.context, batch_size=rows)
        many = [images.to(self.run.device)] * 200
        return Rate(row=_paced(list(_until(ctx.stream(many), rows, self.run.device))))

    def _images(self) -> Tensor:
        """A full batch: the first images, again where they are too few."""
        found = self.run.decode(self.run.selection[: self.run.batch_size]).images
        if not len(found):
            raise XaibenchError("none of the first images can be read: give --rate.")
        times = -(-self.run.batch_size // len(found))
        return torch.cat([found] * times)[: self.run.batch_size].to(self.run.device)

    def _batch(self, targets: int) -> Batch:
        if not hasattr(self, "_held"):
            self._held = self._images()
        images, network = self._held, self.run.classifier
        n = len(images)
        classes = torch.arange(n * targets, device=images.device) % network.num_classes
        ids = tuple(f"calibration {i}" for i in range(n))
        names = self.run.targets[:targets]
        return Batch(ids, images, classes[:n], classes.view(n, targets), names, tuple(range(n)))

    def _line(self, line: Line) -> Rate:
        run, side = self.run, self.run.classifier.input.crop
        ctx = replace(run.context, batch_size=run.classifier.rows_at((side, side)))
        if line.stage == "explain":
            (method,) = (m for m in run.methods if m.spec == line.method)
            return _method(ctx, method, self._batch(line.targets))
        metrics = [m for m in run.metrics if m.spec in line.metrics]
        return _metric(ctx, run.methods[0], metrics, self._batch(1))


def _sane(rate: Rate) -> bool:
    """Whether a rate that was kept can be one."""
    return all(type(one) in (int, float) and 0 <= one < math.inf for one in asdict(rate).values())


def _settled(device: torch.device) -> float:
    """The time once a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock()


def _until(parts: Iterable[Any], rows: int, device: torch.device) -> Iterator[tuple[float, int]]:
    """When each part was done, and rows till then; ends after SECONDS, the first left out."""
    first, count = 0.0, 0
    for _ in parts:
        now = _settled(device)
        yield now, count
        first, count = first or now, count + rows
        if now - first > SECONDS:
            return


def _paced(stamps: Sequence[tuple[float, int]]) -> float:
    """Seconds a row between the first and the last stamp."""
    rows = stamps[-1][1] - stamps[0][1] if stamps else 0
    return (stamps[-1][0] - stamps[0][0]) / rows if rows else 0.0


@contextmanager
def _stopped(ctx: Context, stamps: list[tuple[float, int]]) -> Iterator[None]:
    """Inside, passes are stamped, and after SECONDS of them the work is ended."""
    before = meter.counts().rows

    def watch() -> None:
        stamps.append((_settled(ctx.device), meter.counts().rows - before))
        if stamps[-1][0] - stamps[0][0] > SECONDS and len(stamps) > 3:
            raise _Enough

    with meter.watching(watch), suppress(_Enough):
        yield


def _measured(ctx: Context, work: Callable[[], object], images: int) -> Rate:
    """What an image and a row of some work take, made twice where that is soon done."""
    rate = Rate()
    for _ in range(2):
        stamps: list[tuple[float, int]] = []
        start, ended = _settled(ctx.device), False
        with _stopped(ctx, stamps):
            work()
            ended = True
        seconds = _settled(ctx.device) - start
        rows = stamps[-1][1] if stamps else 0
        if ended:
            rate = Rate(row=seconds / rows) if rows else Rate(image=seconds / images)
        else:
            row = _paced(stamps[1:])  # between two ends of forwards lies a backward, not before
            begun = max(0.0, stamps[0][0] - start - row * stamps[0][1])
            return Rate(begun / images, row)
        if seconds > SECONDS:
            break
    return rate


def _method(ctx: Context, method: MethodRequest, batch: Batch) -> Rate:
    state = prepare(ctx, method, lambda _most: iter([batch.images]))
    copied = {k: v.clone() for k, v in state.items()} if state else state
    return _measured(ctx, lambda: method.entry(ctx, batch, copied, **method.options), len(batch))


def _metric(
    ctx: Context, method: MethodRequest, metrics: Sequence[MetricRequest], batch: Batch
) -> Rate:
    """A call on maps made of the images; what it has the method explain is the method's work."""
    n, entry, options = len(batch), metrics[0].entry, metrics[0].options
    native = batch.images.mean(1).cpu()
    half = torch.full((n,), 0.5)
    held: dict[str, Tensor] = {}

    def scoring() -> Scoring:
        extras = {
            "boxes": [None] * n,
            "explain_forwards": 0,
            "in_subset": torch.ones(n, dtype=torch.bool),
        }
        base: Scoring = seen(
            ctx,
            method,
            batch,
            native,
            Answer(half, half.double()),
            scalars={name: half.double() for name in ("attribution_sum", "baseline_logit")},
            explain=lambda inputs, rows, classifier=None: base.maps[rows],
            shared=memo(held),
            extras=extras,
        )
        return replace(base, wanted=frozenset(m.key for m in metrics))

    entry_of = scoring()
    first = entry(entry_of, **options)
    if not hasattr(first, "send"):
        cold = _measured(ctx, lambda: entry(replace(entry_of, memo=memo({})), **options), n)
        warm = _measured(ctx, lambda: entry(scoring(), **options), n)
        return replace(cold, image=warm.image)
    next(first)  # what all methods share is made
    start = _settled(ctx.device)
    request = next(entry(scoring(), **options))
    image = (_settled(ctx.device) - start) / n
    size = ctx.batch_size
    stamps = list(_until(ctx.forwarded(request.chunks), size, ctx.device))
    return Rate(image, _paced(stamps))
