"""A forecast in seconds and dollars, and as a page."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from xaibench.execution.amounts import Amount, Amounts, Forecast, Line
from xaibench.execution.calibrate import Rate
from xaibench.execution.weights import BACKWARD

RateOf = Callable[[Line], Rate | None]
WIDTH = 36


@dataclass
class Estimate:
    """A forecast with its seconds. start: before the first block; unmeasured: seconds not known.

    blocks: seconds of each. lines: amounts and seconds of all work.
    """

    lines: dict[Line, tuple[Amount, float]] = field(default_factory=dict)
    start: float = 0.0
    before: float = 0.0
    blocks: list[float] = field(default_factory=list)
    unmeasured: bool = False

    @property
    def total(self) -> Amount:
        """All work."""
        found = Amount()
        for amount, _ in self.lines.values():
            found.add(amount)
        return found

    def seconds(self, devices: int = 1) -> float:
        """Wall time where so many devices share the blocks, the longest first."""
        busy = [0.0] * devices
        for one in sorted(self.blocks, reverse=True):
            heapq.heapreplace(busy, busy[0] + one)
        return self.start + self.before + max(busy)

    def device_seconds(self, devices: int = 1) -> float:
        """What is paid for: every device until the last has finished."""
        return devices * self.seconds(devices)


def by_rate(forwards: float) -> RateOf:
    """Rates of a device of so many forwards a second; inputs of another size by their pixels."""
    return lambda line: Rate(row=1 / forwards)


def estimate(found: Forecast, rate_of: RateOf, given: bool, side: int, start: float) -> Estimate:
    """Seconds of a forecast. given: whether the rate is given; side: of the network's input."""
    explaining = {
        (line.method, line.targets, line.size): rate_of(line)
        for part in (found.before, *found.blocks)
        for line in part
        if line.stage == "explain"
    }
    done = Estimate(start=start)

    def seconds(line: Line, amount: Amount) -> float:
        if given:
            pixels = line.size[0] * line.size[1] / side**2 if any(line.size) else 1.0
            rate = rate_of(line)
            assert rate is not None
            return pixels * rate.row * (amount.rows + BACKWARD * amount.backwards)
        if amount.times:  # explains other inputs: at the method's own rate
            again = explaining.get((line.method, 1, line.size)) or rate_of(
                replace(line, stage="explain", metrics=())
            )
            own = rate_of(line)
            if again is None or own is None:
                done.unmeasured = True
                return 0.0
            return amount.calls * own.image + amount.times * again.image + amount.rows * again.row
        rate = rate_of(line)
        if rate is None:
            done.unmeasured = True
            return 0.0
        return amount.calls * rate.image + amount.rows * rate.row

    def add(part: Amounts) -> float:
        total = 0.0
        for line, amount in part.items():
            took = seconds(line, amount)
            held, before = done.lines.setdefault(line, (Amount(), 0.0))
            held.add(amount)
            done.lines[line] = (held, before + took)
            total += took
        return total

    done.before = add(found.before)
    done.blocks = [add(part) for part in found.blocks]
    return done


def together(parts: Sequence[Estimate]) -> Estimate:
    """Several, one after the other."""
    whole = Estimate()
    for part in parts:
        for line, (amount, seconds) in part.lines.items():
            held, before = whole.lines.setdefault(line, (Amount(), 0.0))
            held.add(amount)
            whole.lines[line] = (held, before + seconds)
        whole.start += part.start
        whole.before += part.before
        whole.blocks += part.blocks
        whole.unmeasured |= part.unmeasured
    return whole


def groups(done: Estimate) -> dict[str, tuple[Amount, float]]:
    """Lines as a person reads them: transforms' variations together, and methods of one metric.

    A metric's methods stand apart where it costs each something else.
    """
    order = ("read", "predict", "prepare", "explain", "score")
    apart = {line.metrics for line, (amount, _) in done.lines.items() if amount.times}
    found: dict[str, tuple[Amount, float]] = {}
    for line, (amount, seconds) in sorted(
        done.lines.items(), key=lambda one: order.index(one[0].stage)
    ):
        name = {"read": "read images", "predict": "predict"}.get(line.stage, line.stage)
        if line.stage == "score":
            name = f"score {', '.join(line.metrics)}"
            name += f" of {line.method}" if line.metrics in apart else ""
        elif line.method:
            name += f" {line.method}"
        if line.transform != "none":
            name += f", {line.transform}"
        held, before = found.setdefault(name, (Amount(), 0.0))
        held.add(amount)
        found[name] = (held, before + seconds)
    return found


def page(done: Estimate, devices: int = 1, price: float | None = None) -> Iterator[str]:
    """A table at most 80 columns wide, then the total in words."""
    total = done.total
    yield f"{'':{WIDTH}} {'forwards':>11} {'backwards':>11} {'maps':>9} {'time':>9}"
    for name, (amount, seconds) in groups(done).items():
        yield from _row(name, amount, seconds, done)
    yield from _row("in all", total, sum(s for _, s in done.lines.values()), done)
    least = "at least " if total.unknown else ""
    filled = total.rows - total.forwards
    yield (
        f"{least}{total.rows:,} forwards, {filled:,} of them to fill up batches; "
        f"{total.backwards:,} backwards; {total.decoded:,} images decoded"
    )
    yield f"{least}{size(total.maps)} of maps (--maps keeps fewer), {size(total.tables)} of Parquet"
    if total.unknown:
        unknown = [name for name, (amount, _) in groups(done).items() if amount.unknown]
        yield f"unknown, since no cost is declared: {'; '.join(unknown)}"
    if done.unmeasured:
        yield "time: not measured on this device; `xaibench plan` does, in seconds"
        return
    yield f"{least}{words(done.seconds())} on one device, {words(done.start)} of them to start"
    if devices > 1:
        yield f"{least}{words(done.seconds(devices))} on {devices} devices"
    if price is not None:
        cost = done.device_seconds(devices) / 3600 * price
        yield f"{least}${cost:,.2f} at ${price:g} an hour and device"


def _row(name: str, amount: Amount, seconds: float, done: Estimate) -> Iterator[str]:
    *more, last = _folded(name)
    yield from more
    unknown = amount.unknown and not amount.rows
    rows, back = ("unknown", "") if unknown else (f"{amount.rows:,}", f"{amount.backwards:,}")
    took = "" if done.unmeasured or unknown else words(seconds)
    maps = size(amount.maps) if amount.maps else ""
    yield f"{last:{WIDTH}} {rows:>11} {back:>11} {maps:>9} {took:>9}"


def _folded(name: str) -> list[str]:
    """A name in lines of WIDTH, broken at spaces where it has any."""
    lines = [""]
    for word in name.split(" "):
        for part in (word[i : i + WIDTH - 2] for i in range(0, len(word), WIDTH - 2)):
            if lines[-1] and len(lines[-1]) + 1 + len(part) > WIDTH:
                lines.append("  " + part)
            else:
                lines[-1] += (" " if lines[-1].strip() else "") + part
    return lines


def size(count: float) -> str:
    """A number of bytes to read, in units of 1,000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def words(seconds: float) -> str:
    """A time to read."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:,.1f} h"


def as_json(done: Estimate, devices: int, price: float | None) -> dict[str, Any]:
    """All lines and the totals."""
    total, known = done.total, not done.unmeasured
    return {
        "lines": [
            {**asdict(line), **asdict(amount), "seconds": seconds if known else None}
            for line, (amount, seconds) in done.lines.items()
        ],
        "total": asdict(total),
        "at_least": total.unknown,
        "start_seconds": done.start,
        "seconds": done.seconds() if known else None,
        "devices": devices,
        "seconds_on_devices": done.seconds(devices) if known else None,
        "dollars": None
        if price is None or not known
        else done.device_seconds(devices) / 3600 * price,
    }
