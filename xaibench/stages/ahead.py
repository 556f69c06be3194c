"""The next block's photographs, decoded while the one at hand is worked on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from xaibench.datasets.load import Decoded, read_images
from xaibench.meter import phase

if TYPE_CHECKING:
    from xaibench.stages.run import Run


def read(run: Run, places: Sequence[int]) -> Decoded:
    """Decode a run's images at some places to 8-bit pixels, on its workers."""
    resize, workers = run.protocol.preprocessing.resize, run.config.workers
    return read_images(run.dataset, places, run.classifier, resize, workers, raw=True)


@dataclass
class Ahead:
    """Reads images of a run: in a thread before they are asked for, or when they are.

    No more than one call's images are held: what is begun before they are taken is read after that.
    A reader's error is raised to who asks for them.
    """

    read: Callable[[Run, Sequence[int]], Decoded] = read
    _begun: tuple[tuple[int, ...], Future[Decoded]] | None = field(default=None, init=False)
    _next: tuple[Run, tuple[int, ...]] | None = field(default=None, init=False)

    @cached_property
    def _thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, "xaibench-decode")

    def begin(self, run: Run, places: Sequence[int]) -> None:
        """Begin to read, as soon as what was begun before is taken; no places: nothing more."""
        self._next = (run, tuple(places)) if places else None
        if self._begun is None:
            self._go_on()

    def _go_on(self) -> None:
        if self._next is not None:
            (run, places), self._next = self._next, None
            self._begun = places, self._thread.submit(self.read, run, places)

    def keep(self, places: Sequence[int]) -> None:
        """Drop what was begun of others than these places, which will not be asked for."""
        if self._begun is not None and self._begun[0] != tuple(places):
            self._begun[1].cancel()
            self._begun = None

    def take(self, run: Run, places: Sequence[int]) -> Decoded:
        """What was read of exactly these places, or else read now."""
        with phase("decode"):  # which is also to wait for the thread
            return self._take(run, places)

    def _take(self, run: Run, places: Sequence[int]) -> Decoded:
        begun = self._begun
        if begun is None or set(begun[0]).isdisjoint(places):  # those are of the next block
            return self.read(run, places)
        self._begun = None
        try:
            if begun[0] == tuple(places):
                return begun[1].result()
            begun[1].cancel()
            return self.read(run, places)
        finally:
            self._go_on()
