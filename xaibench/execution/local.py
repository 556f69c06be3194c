"""Run a plan in this process, block by block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from xaibench.config.variations import UNTOUCHED, Variation
from xaibench.errors import Failed
from xaibench.execution.plan import Work, needed_maps, needed_scores, readable, units
from xaibench.stages import failures
from xaibench.stages.explain import Unit, explain_unit
from xaibench.stages.predict import (
    Predictions,
    load_predictions,
    missing_predictions,
    predict,
    predict_variation,
)
from xaibench.stages.score import fail_unit, has_failed, score_unit
from xaibench.stages.session import Session

Tick = Callable[[int, str], None]


@dataclass
class Outcome:
    """What came of a run: counts of things made, of scores without a map, and failures."""

    made: Counter[str] = field(
        default_factory=lambda: Counter(predictions=0, maps=0, scores=0, failed=0)
    )
    unmapped: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)

    def failed(self, session: Session, unit: Unit, metric: str, reason: str) -> None:
        """Record a failure; it is shown once for each method and metric."""
        failures.record(session, unit, metric, reason)
        what = unit.method.spec if metric == "explain" else f"{metric} of {unit.method.spec}"
        self.reasons.setdefault(what, reason)


def run_all(session: Session, works: list[Work], stages: frozenset[str], tick: Tick) -> Outcome:
    """Do everything that a plan lists; what raises is recorded and the rest goes on."""
    outcome = Outcome()
    for work in works:
        if work.total:
            _block(session, work, stages, tick, outcome)
    return outcome


def _block(
    session: Session, work: Work, stages: frozenset[str], tick: Tick, outcome: Outcome
) -> None:
    """What is left of a block: of each variation the predictions, then each method's unit."""
    session.begin(work.companions)
    if not any(variation.request for variation in work.variations):
        _predict(session, work.block, work.companions, UNTOUCHED, tick, outcome)
    for variation in work.variations:
        if variation.request:
            good = readable(session, work.places)
            _predict(session, work.block, good, variation, tick, outcome)
        predictions = load_predictions(session, work.companions, variation)
        for unit in units(session, work.block, work.places, variation):
            _unit(session, unit, predictions, stages, tick, outcome)


def _predict(
    session: Session,
    block: int,
    places: Sequence[int],
    variation: Variation,
    tick: Tick,
    outcome: Outcome,
) -> None:
    lacking = missing_predictions(session, block, places, variation)
    if not lacking:
        return
    if variation.request is None:
        outcome.made["predictions"] += predict(session, block, places)
    else:
        outcome.made["predictions"] += predict_variation(session, block, places, variation)
    tick(len(lacking), f"predict {variation.label}".strip())


def _unit(
    session: Session,
    unit: Unit,
    predictions: Predictions,
    stages: frozenset[str],
    tick: Tick,
    outcome: Outcome,
) -> None:
    what = f"{unit.method.spec} {unit.variation.label}".strip()
    needed = needed_maps(session, unit, stages)
    count = sum(map(len, needed.values()))
    broken = False
    if count:
        try:
            explain_unit(session, unit, predictions, needed)
            outcome.made["maps"] += count
            if not any(has_failed(session, unit, m.spec) for m in session.metrics):
                failures.forget(session, unit, "explain")
        except Failed as failure:
            broken = True
            outcome.failed(session, unit, "explain", str(failure))
            outcome.made["failed"] += 0 if "score" in stages else count
        tick(count, f"explain {what}")
    wanted = needed_scores(session, unit, stages)
    if not wanted:
        return
    scored = score_unit(session, unit, predictions)
    for metric, why in scored.failed.items():
        outcome.failed(session, unit, metric, why)
    if broken:
        fail_unit(session, unit, predictions)
    elif scored.unmapped:
        outcome.unmapped[unit.method.spec] += scored.unmapped
    left = [m.spec for m in session.metrics if has_failed(session, unit, m.spec)]
    for name in ["explain"] * (not left) + [m.spec for m in session.metrics if m.spec not in left]:
        failures.forget(session, unit, name)
    still = needed_scores(session, unit, stages)
    outcome.made["scores"] += wanted - still
    outcome.made["failed"] += still - (0 if broken else scored.unmapped)
    tick(wanted, f"score {what}")
