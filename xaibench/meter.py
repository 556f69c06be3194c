"""What goes through the network in this process, and what it is busy with.

Counting costs an addition a pass. `phase` marks what is done; it does nothing until somebody
records (`--profile`). No number that is stored depends on any of this, and nothing here waits for a
device.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

Phase = Literal["decode", "transfer", "forward", "backward", "inputs", "ranking", "io"]
Recorder = Callable[[Phase], AbstractContextManager[None]]
"""What `phase` asks while somebody records."""
T = TypeVar("T")


@dataclass(frozen=True)
class Counts:
    """forwards, backwards: inputs, without those that fill up a pass; rows: with them.

    images: photographs decoded.
    """

    forwards: int = 0
    rows: int = 0
    backwards: int = 0
    images: int = 0

    def __sub__(self, other: Counts) -> Counts:
        """What came since `other`."""
        return Counts(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


class _Meter:
    """The counters of the process. Backwards come from threads of autograd's own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts = Counts()
        self.watcher: Callable[[], None] | None = None
        self.recorder: Recorder | None = None

    def add(self, forwards: int = 0, rows: int = 0, backwards: int = 0, images: int = 0) -> None:
        with self.lock:
            now = self.counts
            self.counts = Counts(
                now.forwards + forwards,
                now.rows + rows,
                now.backwards + backwards,
                now.images + images,
            )
        if self.watcher is not None and forwards:
            self.watcher()


_METER = _Meter()
_NOTHING = nullcontext()


def counts() -> Counts:
    """All that was counted since the process began."""
    return _METER.counts


def add(other: Counts) -> None:
    """Count what went through the network of another process that works for this one."""
    _METER.add(*(getattr(other, f.name) for f in fields(other)))


def passed(logits: Any, rows: int) -> Any:
    """Count a forward pass by its logits (n, K), and every backward pass through them; the logits.

    rows: inputs that went through the network, those that filled it up too. What is no logits
    passes as it is: who checks a network says so.
    """
    if not hasattr(logits, "requires_grad"):
        return logits
    n = len(logits)
    _METER.add(forwards=n, rows=rows)
    if logits.requires_grad:
        logits.register_hook(lambda _gradient: _METER.add(backwards=n))
    return logits


def decoded(images: int) -> None:
    """Count decoded images."""
    _METER.add(images=images)


def phase(name: Phase) -> AbstractContextManager[None]:
    """While open, the process does this; what a phase inside it takes is that one's alone."""
    recorder = _METER.recorder
    return _NOTHING if recorder is None else recorder(name)


def each(name: Phase, parts: Iterator[T]) -> Iterator[T]:
    """The same parts; making each of them is the phase."""
    while True:
        with phase(name):
            part = next(parts, _NOTHING)
        if part is _NOTHING:
            return
        yield part  # type: ignore[misc]


@contextmanager
def watching(watcher: Callable[[], None]) -> Iterator[None]:
    """While open, `watcher` is called after each forward pass, in the thread that made it."""
    before, _METER.watcher = _METER.watcher, watcher
    try:
        yield
    finally:
        _METER.watcher = before


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """While open, `recorder` opens the phases."""
    before, _METER.recorder = _METER.recorder, recorder
    try:
        yield
    finally:
        _METER.recorder = before
