"""Run a plan in this process, block by block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from xaibench.errors import XaibenchError
from xaibench.plan import Work, needed_maps, units
from xaibench.stages.explain import explain_unit
from xaibench.stages.predict import load_predictions, missing_predictions, predict
from xaibench.stages.score import missing_scores, score_unit
from xaibench.stages.session import Session

Tick = Callable[[int, str], None]


@dataclass(frozen=True)
class Unmapped:
    """Images that could not be scored because the store has no map of them."""

    method: str
    count: int


def run_block(
    session: Session, work: Work, stages: frozenset[str], tick: Tick, done: Counter[str]
) -> list[Unmapped]:
    """Do what is left of a block: predictions, then maps, then scores of each method."""
    places = list(work.places)
    lacking = missing_predictions(session, work.block, places)
    if lacking:
        done["predictions"] += predict(session, work.block, lacking)
        tick(len(lacking), "predict")
    predictions = load_predictions(session, work.block)
    unmapped = []
    for unit in units(session, work.block, places):
        if "explain" in stages:
            scoring = "score" in stages
            needed = [needed_maps(session, unit, t, scoring) for t in session.targets]
            ids = {i for some in needed for i in some}
            if ids:
                chosen = tuple(p for p in unit.places if session.dataset.ids[p] in ids)
                explain_unit(session, replace(unit, places=chosen), predictions)
                done["maps"] += sum(map(len, needed))
                tick(sum(map(len, needed)), f"explain {unit.method.spec}")
        if "score" in stages:
            count = sum(
                len(missing_scores(session, unit, t, m.spec))
                for t in session.targets
                for m in session.metrics
            )
            if count:
                without = score_unit(session, unit, predictions)
                done["scores"] += count - len(without)
                tick(count, f"score {unit.method.spec}")
                unmapped += [Unmapped(unit.method.spec, len(without))] if without else []
    return unmapped


def run_all(
    session: Session, works: list[Work], stages: frozenset[str], tick: Tick
) -> dict[str, int]:
    """Do everything that a plan lists: how many predictions, maps and scores were made.

    Raises XaibenchError where maps to score are missing.
    """
    done: Counter[str] = Counter(predictions=0, maps=0, scores=0)
    unmapped = [
        u for work in works if work.total for u in run_block(session, work, stages, tick, done)
    ]
    if unmapped:
        names = ", ".join(dict.fromkeys(u.method for u in unmapped))
        total = sum(u.count for u in unmapped)
        raise XaibenchError(
            f"{total} scores need maps that are not there ({names}): run `xaibench explain` "
            "or `xaibench run` with the same options first."
        )
    return dict(done)
