"""Seconds and passes by stage and method, for a process's record."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from xaibench import meter
from xaibench.stages.run import Run
from xaibench.stages.steps import Spent, Step

STAGES = {"maps": "explain", "scores": "score"}


@dataclass
class _Row:
    """What went into results of one kind; results: maps made, or maps scored."""

    seconds: float = 0.0
    results: float = 0.0
    forwards: int = 0
    backwards: int = 0


@dataclass
class Timesheet:
    """Adds up what lies between the steps of a run, by what it went into.

    What was spent on maps or scores that failed counts, since results of other images came of it
    or none did; what comes before a piece of work (its predictions are read) does not.
    """

    clock: Callable[[], float] = time.monotonic
    counts: Callable[[], meter.Counts] = meter.counts
    _rows: dict[tuple[str, str, tuple[str, ...]], _Row] = field(default_factory=dict)
    _metrics: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._last, self._at = self.clock(), self.counts()

    def step(self, step: Step) -> None:
        """Take a step."""
        now, at = self.clock(), self.counts()
        if step.kind in STAGES:
            hand = step.spent.hand if step.spent else 0
            if step.done:  # else it is more of the same: its writing
                self._metrics[hand] = tuple(sorted(m for _, _, m in step.done if m))
            key = STAGES[step.kind], step.method, self._metrics.get(hand, ())
            row = self._rows.setdefault(key, _Row())
            spent = step.spent or Spent(now - self._last, at - self._at)
            row.seconds += spent.seconds
            row.forwards += spent.counts.forwards
            row.backwards += spent.counts.backwards
            row.results += sum(step.done.values()) if step.kind == "maps" else step.images
        self._last, self._at = now, at

    def rows(self, run: Run) -> list[dict[str, Any]]:
        """The rows of a record: seconds, results and passes of each stage and method.

        metrics: those scored together. declared: forwards and backwards of an image's explanation,
        for one target.
        """
        methods = {method.spec: method for method in run.methods}
        found = []
        for (stage, spec, metrics), row in self._rows.items():
            line = {"stage": stage, "method": spec, "metrics": list(metrics), **asdict(row)}
            if stage == "explain" and methods[spec].entry.metadata.get("cost"):
                with suppress(Exception):  # a plug-in's declaration
                    line["declared"] = list(run.cost(methods[spec]).total(1))
            found.append(line)
        return found
