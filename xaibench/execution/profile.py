"""`--profile`: where a run's seconds go, and traces of the first passes of each piece of work.

Seconds are those of the thread that works, so that they add up to the run's, or to those of all
processes that do its blocks; what other processes do beside it costs what the thread waits for
them. A GPU's are measured by events in its own stream: nothing waits for them, and they run beside
the thread's.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from xaibench import meter
from xaibench.config.shard import Shard
from xaibench.meter import Phase
from xaibench.stages.steps import Step, Tick
from xaibench.store import layout
from xaibench.store.atomic import write

TRACED = 8
"""Passes, forwards and backwards, in the trace of a piece of work such as `explain rise`."""
TITLES: dict[Phase, str] = {
    "decode": "decode images",
    "transfer": "copy to and from the device",
    "forward": "forward",
    "backward": "backward",
    "inputs": "build inputs",
    "ranking": "rank pixels",
    "io": "read and write files",
}
Event = Callable[[], Any]
"""Gives an event that can be recorded in a device's stream, as torch.cuda.Event."""


class Profile:
    """Records phases, and writes traces into a folder.

    ending: of their files' names. clock: in seconds. event: where there is a device that works
    beside the thread.
    """

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.perf_counter,
        event: Event | None = None,
        ending: str = ".json",
    ) -> None:
        self._folder, self._clock, self._event, self._ending = folder, clock, event, ending
        self._thread, self._began = threading.get_ident(), clock()
        self._open: list[Phase] = []
        self._inner: list[float] = []
        self.seconds = dict.fromkeys(TITLES, 0.0)
        self.device = dict.fromkeys(TITLES, 0.0)
        self._pending: deque[tuple[Phase, Phase | None, Any, Any]] = deque()
        self._seen: set[str] = set()
        self._trace: profile | None = None
        self._doing, self._passes, self.tracing = "", 0, 0.0
        self._others: float | None = None

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """Measure what is inside, without the phases inside it."""
        if threading.get_ident() != self._thread:
            yield
            return
        start = self._mark()
        began, outer = self._clock(), self._open[-1] if self._open else None
        self._open.append(name)
        self._inner.append(0.0)
        try:
            with record_function(name):
                yield
        finally:
            took = self._clock() - began
            self._open.pop()
            self.seconds[name] += took - self._inner.pop()
            if self._inner:
                self._inner[-1] += took
            if start is not None:
                self._pending.append((name, outer, start, self._mark()))
                self._drain()
            if name in ("forward", "backward"):
                self._passes += 1
                if self._passes >= TRACED:
                    self._end_trace()

    def _mark(self) -> Any:
        if self._event is None:
            return None
        event = self._event()
        event.record()
        return event

    def _drain(self, wait: bool = False) -> None:
        """Take the times of events that the device has reached."""
        while self._pending and (wait or self._pending[0][3].query()):
            name, outer, start, end = self._pending.popleft()
            if wait:
                end.synchronize()
            took = start.elapsed_time(end) / 1000
            self.device[name] += took
            if outer is not None:
                self.device[outer] -= took

    @property
    def phases(self) -> dict[str, tuple[float, float]]:
        """Seconds by phase so far, of the thread and of the device."""
        return {name: (self.seconds[name], self.device[name]) for name in TITLES}

    def step(self, step: Step) -> None:
        """Trace the beginning of work that has not been traced yet; add up other processes'."""
        if step.spent:
            self._others = (self._others or 0.0) + step.spent.seconds
            for name in TITLES:
                seconds, device = step.spent.phases.get(name, (0.0, 0.0))
                self.seconds[name] += seconds
                self.device[name] += device
            return
        if step.ahead and step.doing not in self._seen:
            self._end_trace()
            self._seen.add(step.doing)
            self._doing, self._passes = step.doing, 0
            with self._aside():
                kinds = [ProfilerActivity.CPU]
                kinds += [ProfilerActivity.CUDA] if self._event is not None else []
                self._trace = profile(activities=kinds)
                self._trace.start()

    def _end_trace(self) -> None:
        """Write the trace that is being made, if any."""
        if self._trace is not None:
            trace, self._trace = self._trace, None
            name = layout.encode(self._doing.replace(" ", "-"))
            with self._aside():
                trace.stop()
                path = self._folder / f"{name}{self._ending}"
                write(path, lambda file: trace.export_chrome_trace(str(file)))

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """What tracing itself takes is no phase's."""
        began = self._clock()
        yield
        took = self._clock() - began
        self.tracing += took
        if self._inner:
            self._inner[-1] += took

    def end(self) -> None:
        """Write what is left; the device is done by now."""
        self._end_trace()
        self._drain(wait=True)
        self.total = self._clock() - self._began if self._others is None else self._others

    @property
    def lines(self) -> list[str]:
        """The breakdown in lines of at most 80 columns."""
        rows = [(TITLES[name], self.seconds[name], self.device[name]) for name in TITLES]
        other = self.total - sum(self.seconds.values()) - self.tracing
        rows += [("other", other, 0.0), ("writing traces", self.tracing, 0.0)]
        heads = f"{'profile':<28}{'seconds':>10}{'share':>8}"
        lines = [heads + f"{'on device':>12}" * (self._event is not None)]
        for title, seconds, device in rows:
            line = f"{title:<28}{seconds:>10.2f}{seconds / (self.total or 1):>8.1%}"
            shown = f"{device:>12.2f}" if device else f"{'-':>12}"
            lines.append(line + shown * (self._event is not None))
        lines.append(f"{'all':<28}{self.total:>10.2f}")
        return lines


@contextmanager
def profiling(
    wanted: bool,
    root: Path,
    device: torch.device,
    say: Callable[[str], None],
    part: Shard | None = None,
) -> Iterator[Tick]:
    """While open, record the phases; then say the breakdown. Does nothing where it is not wanted.

    part: the shard that this is, whose traces lie beside the others'. Yields what takes a run's
    steps.
    """
    if not wanted:
        yield lambda _step: None
        return
    with recorded(root, device, part) as made:
        yield made.step
    made.end()
    for line in made.lines:
        say(line)
    say(f"traces of the first {TRACED} passes of each piece of work: {layout.profile(root)}")


@contextmanager
def recorded(root: Path, device: torch.device, part: Shard | None) -> Iterator[Profile]:
    """While open, the phases of this process are recorded."""
    cuda = device.type == "cuda"
    event = partial(torch.cuda.Event, enable_timing=True) if cuda else None
    ending = f"-shard-{part.number}-{part.of}.json" if part else ".json"
    made = Profile(layout.profile(root), event=event, ending=ending)
    with meter.recording(made.phase), _backwards(made):
        yield made


@contextmanager
def _backwards(made: Profile) -> Iterator[None]:
    """While open, every backward pass is a phase, whoever asks for it: captum, a plug-in."""

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            with made.phase("backward"):
                return function(*args, **kwargs)

        return called

    autograd = torch.autograd
    with (
        mock.patch.object(autograd, "grad", timed(autograd.grad)),
        mock.patch.object(autograd, "backward", timed(autograd.backward)),
    ):
        yield
