"""How far a run is: a bar on a terminal, a line every half minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta

from xaibench import meter
from xaibench.errors import shown
from xaibench.execution.weights import BACKWARD
from xaibench.stages.steps import IMAGES, Step, Tick, Work

Weigh = Callable[[Work], float]
Show = Callable[[float, str], None]
"""Gets the share of the work that is done, and all else in words."""
EVERY = 30.0
"""Seconds between two lines where there is no terminal, and before the first."""
DELAY = 1.0
"""Seconds before a bar appears on a terminal."""
SHOWN = 3
"""Pieces of work at a time that are named."""
WINDOW = 30.0
"""Seconds over which forwards a second are counted."""


class Progress:
    """Takes a run's steps; says the share done, what is done, rates and time left.

    total: all the work. weigh: what one of it weighs, in forward passes. Between two steps of long
    work the passes since the last one count, up to what is left of that work. every: seconds
    between two calls of `show`. counts: of what has gone through the network.
    """

    def __init__(
        self,
        total: Mapping[Work, int],
        weigh: Weigh,
        show: Show,
        every: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        counts: Callable[[], meter.Counts] = meter.counts,
    ) -> None:
        self._weigh, self._show, self._every = weigh, show, every
        self._clock, self._counts = clock, counts
        self._all, self._count, self._done = self._sum(total), sum(total.values()), 0
        self._what = "images" if set(total) == {IMAGES} else "results"
        self._weight = self._ahead = 0.0
        self._doing, self._spent = dict[int, str](), dict[str, tuple[str, float, float]]()
        self._began = self._last = clock()
        self._next = self._began + every
        self._at = counts()
        self._passes = deque([(self._began, self._at.forwards)])

    def _sum(self, works: Mapping[Work, int]) -> float:
        return sum(n * self._weigh(work) for work, n in works.items())

    def step(self, step: Step) -> None:
        """Take a step."""
        now, weight = self._clock(), self._sum(step.done)
        if step.kind:
            kind, seconds, images = self._spent.get(step.doing, (step.kind, 0.0, 0.0))
            images += step.images * (step.kind == kind)  # not of scores that are made as maps come
            took = step.spent.seconds if step.spent else now - self._last
            self._spent[step.doing] = kind, seconds + took, images
        self._weight = min(self._weight + weight, self._all)
        self._done += sum(step.done.values())
        self._ahead = self._sum(step.ahead) or max(0.0, self._ahead - weight)
        if step.doing:
            self._doing[step.spent.hand if step.spent else 0] = step.doing
        self._last, self._at = now, self._counts()
        self.look()

    def look(self) -> None:
        """Show how far it is, where it is time for that."""
        now = self._clock()
        if now - self._passes[-1][0] >= 1:
            self._passes.append((now, self._counts().forwards))
            while now - self._passes[1][0] >= WINDOW:
                self._passes.popleft()
        if now >= self._next:
            self._next = now + self._every
            self._show(self.share, self.text)

    @property
    def share(self) -> float:
        """How much of the work is done, from 0 to 1."""
        since = self._counts() - self._at
        passes = min(since.forwards + BACKWARD * since.backwards, self._ahead)
        return min(1.0, (self._weight + passes) / self._all) if self._all else 1.0

    @property
    def text(self) -> str:
        """What is done, images (or maps) and forwards a second, time left."""
        now, doing = self._clock(), list(dict.fromkeys(self._doing.values())) or [""]
        doing.sort(key=self._pace)  # what is slow first
        parts = [" + ".join(map(self._words, doing[:SHOWN])) + " + ..." * (len(doing) > SHOWN)]
        (then, before), forwards = self._passes[0], self._counts().forwards
        if forwards > before and now > then:
            parts.append(f"{_rate((forwards - before) / (now - then))} forwards/s")
        if self.share and now > self._began:
            left = (now - self._began) * (1 - self.share) / self.share
            parts.append(f"{timedelta(seconds=round(left))} left")
        return ", ".join(parts)

    def _pace(self, doing: str) -> float:
        """Images a second of all processes that do a piece of work now, 0 where none is known."""
        _, seconds, images = self._spent.get(doing, ("", 0.0, 0.0))
        at_it = list(self._doing.values()).count(doing)
        return at_it * images / seconds if images and seconds else 0.0

    def _words(self, doing: str) -> str:
        """A piece of work and its pace; an image is scored once for each of its maps."""
        unit = "maps" if self._spent.get(doing, ("",))[0] == "scores" else "img"
        pace = self._pace(doing)
        return shown(doing) + (f", {_rate(pace)} {unit}/s" if pace else "")

    @property
    def count(self) -> str:
        """How many predictions, maps and scores (or images) there are of all that are to come."""
        return f"{self._done:,}/{self._count:,} {self._what}"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


@contextmanager
def progress(total: Mapping[Work, int], weigh: Weigh = lambda _work: 1.0) -> Iterator[Tick]:
    """What takes the steps of this much work: a bar after a second, or lines without a terminal."""
    if not sys.stderr.isatty():
        with _followed(Progress(total, weigh, _line, EVERY)) as tick:
            yield tick
        return
    from tqdm import tqdm

    with tqdm(
        total=1.0,
        delay=DELAY,
        miniters=0,
        file=sys.stderr,
        dynamic_ncols=True,
        bar_format="{percentage:3.0f}%|{bar}| {desc}",
    ) as bar:

        def show(share: float, text: str) -> None:
            bar.set_description_str(f"{one.count}, {text}", refresh=False)
            bar.update(max(0.0, share - bar.n))

        one = Progress(total, weigh, show)
        with _followed(one) as tick:
            yield tick


@contextmanager
def _followed(one: Progress) -> Iterator[Tick]:
    with meter.watching(one.look):
        yield one.step


def _line(share: float, text: str) -> None:
    with suppress(OSError):  # nobody reads it
        print(f"xaibench: {share:.0%} {text}", file=sys.stderr, flush=True)
