"""What a unit has finished, written as it comes: a kill costs half a minute, or a batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

from xaibench.datasets.base import BLOCK

T = TypeVar("T")
EVERY = 30.0
"""Seconds after which what is finished is written."""
clock = time.monotonic


class Chunks(Generic[T]):
    """Collects what is finished; `write` gets it now and then, and the rest at the end.

    At the end, or when the process is asked to stop, unless `write` takes too long for that
    (quick=False); an error leaves unwritten what is not.
    """

    def __init__(self, write: Callable[[list[T]], None], quick: bool = True) -> None:
        self._write, self._parts, self._last = write, list[T](), clock()
        self._quick = quick

    def __enter__(self) -> Chunks[T]:
        return self

    def add(self, part: T) -> None:
        """Take what is finished."""
        self._parts.append(part)
        if clock() - self._last >= EVERY:
            self._flush()

    def _flush(self) -> None:
        if self._parts:
            self._write(self._parts)
        self._parts, self._last = [], clock()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        if error is None or (stopped and self._quick):
            self._flush()


def slices(count: int, batch: int) -> Iterator[range]:
    """Rows to do at once: a batch, then more as long as that takes less than EVERY seconds."""
    start, size = 0, min(batch, BLOCK)
    while start < count:
        began = clock()
        yield range(start, min(start + size, count))
        start += size
        seconds = clock() - began
        if 2 * seconds <= EVERY:
            size = min(2 * size, BLOCK)
        elif seconds > EVERY:
            size = min(max(batch, size // 2 // batch * batch), BLOCK)
