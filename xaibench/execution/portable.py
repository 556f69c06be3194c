"""Jobs as bytes, for another process that has opened the same run.

A method or transform goes by its name: functions of a user's own file cannot be pickled.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from typing import Any

from xaibench.config.requests import MethodRequest
from xaibench.config.variations import UNTOUCHED, Variation
from xaibench.errors import XaibenchError
from xaibench.execution.driver import Job
from xaibench.stages.run import Run
from xaibench.stages.unit import (
    Unit,
    code_of_maps,
    code_of_predictions,
    code_of_scores,
    code_of_state,
)

Given = tuple[Job, Job | None]
"""A job, and the one that will likely follow it."""


class _Pickler(pickle.Pickler):
    def persistent_id(self, held: Any) -> tuple[str, ...] | None:
        if isinstance(held, MethodRequest):
            return "method", held.spec
        if isinstance(held, Variation):
            return "variation", held.transform, held.name
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, run: Run) -> None:
        super().__init__(io.BytesIO(data))
        self._methods = {method.spec: method for method in run.methods}
        self._variations = {(v.transform, v.name): v for v in (UNTOUCHED, *run.variations)}

    def persistent_load(self, name: Any) -> object:
        if name[0] == "method":
            return self._methods[name[1]]
        return self._variations[name[1:]]


def dump(given: Given) -> bytes:
    """What a hand is given, as bytes."""
    file = io.BytesIO()
    _Pickler(file, pickle.HIGHEST_PROTOCOL).dump(given)
    return file.getvalue()


def load(run: Run, data: bytes) -> Given:
    """What a hand is given. Raises XaibenchError where its code is another than the planner's."""
    given: Given = _Unpickler(data, run).load()
    if any(said not in ("", here) for said, here in _codes(run, given[0])):
        raise XaibenchError(
            "the code has changed since the run began, or is another version here than where it "
            "began: run the same command again."
        )
    return given


def _codes(run: Run, job: Job) -> Iterator[tuple[str, str]]:
    """Pairs of the code that was planned, and the code that is here."""
    if job.prepare:
        yield job.prepare.code, code_of_state(run.loader, job.prepare.method)
    for part in job.block.parts if job.block else ():
        yield part.code, code_of_predictions(run.loader, part.variation)
        for unit in part.units:
            yield from _of_unit(run, unit)


def _of_unit(run: Run, unit: Unit) -> Iterator[tuple[str, str]]:
    yield unit.code, code_of_maps(run.loader, unit.method, unit.variation)
    metrics = {metric.spec: metric for metric in run.metrics}
    for spec, code in unit.score_codes.items():
        yield code, code_of_scores(run.loader, unit.method, unit.variation, metrics[spec])
