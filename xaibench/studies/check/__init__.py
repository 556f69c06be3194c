"""`xaibench check`: what is run to find out whether a method may be believed, and read again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xaibench.config.run import RunConfig
from xaibench.errors import XaibenchError
from xaibench.studies.check.asked import SWITCHES, Check, asked_for
from xaibench.studies.check.record import Record, Turned, keep, kept
from xaibench.studies.check.turns import Turns, turns_of

if TYPE_CHECKING:
    from xaibench.analysis.check.evidence import Judgement

Say = Callable[[str], None]
FOLDER = Path("results/checks")
"""Where checks lie by default."""
SANITY, TURNS = "sanity", "switches"
PARTS = (SANITY, TURNS)
"""What a check can leave out."""


@dataclass(frozen=True)
class Finished:
    """A check: its run directory, what follows, and the errors of what could not be run."""

    root: Path
    judgement: Judgement
    failed: tuple[XaibenchError, ...]


def check(
    config: RunConfig,
    method: str | None,
    *,
    against: Sequence[str] = (),
    chosen: bool = False,
    after: str | None = None,
    switches: Sequence[str] = (),
    skip: Collection[str] = (),
    say: Say | None = None,
) -> Finished | None:
    """Run what a check of a method lacks, and judge it; None for a dry run.

    Args:
        config: of the run, its methods the standards; without a method, its maps are judged.
        method: as `--method` takes it.
        against: more methods to set beside it.
        chosen: whether the metrics were asked for; else the dearest are left out.
        after: the protocol whose values are switched on, one at a time.
        switches: names of these, whatever they cost; by default those that cost no more than all
            the rest.
        skip: of `PARTS`.
        say: gets the lines that a person should see.

    Raises UsageError or XaibenchError, each one line with the remedy.
    """
    from xaibench.studies.check.runs import run_all

    say = say or (lambda _line: None)
    asked = asked_for(config, method, against, chosen)
    turns = turns_of(asked, after, switches, TURNS in skip)
    _announce(asked, turns, not config.target, say)
    failed = run_all(asked, turns, SANITY not in skip, say)
    if config.dry_run:
        return None
    record = _record(asked, turns, SANITY not in skip)
    keep(asked.root, record)
    return Finished(asked.root, _judged(asked.root, record), tuple(failed))


def finished(root: Path) -> list[Judgement]:
    """The checks that a run directory holds, judged from what is stored; nothing is run.

    Raises XaibenchError for a damaged record, or where a method's scores are gone.
    """
    return [_judged(root, record) for record in kept(root)]


def _judged(root: Path, record: Record) -> Judgement:
    from xaibench.analysis.check import judge
    from xaibench.studies.check.evidence import evidence_of

    return judge(evidence_of(root, record), record.seed)


def _announce(asked: Check, turns: Turns, unasked: bool, say: Say) -> None:
    """Say what is set beside what, and about how much that is. unasked: no target is named."""
    from xaibench.analysis.check.beside import needed

    others = (*asked.controls, *asked.standards)
    metrics, switches = len(asked.metrics), len({turn.label for turn in turns.all})
    counts = f"{_count(metrics, 'metric')}, {_count(switches, 'switch', 'es')}"
    say(f"check {asked.method} beside {', '.join(others)}: {counts}")
    n = len(asked.images) if asked.call else asked.config.limit or 0
    images = _count(n, "image") if n else "an image"
    passes = (n or 1) * turns.passes
    say(f"at most about {passes:,.0f} forward passes for {images}, as what is run declares them")
    least = needed(metrics * len(others))
    if asked.call and n < least:
        say(
            f"a verdict by {_count(metrics, 'metric')} beside {len(others)} methods needs "
            f"{least} images: there will be none; take more (--limit, --data) or fewer --metric"
        )
    if unasked and asked.target == "predicted":
        say("the images have no classes: explaining the predicted one (--classes FILE says them)")


def _count(number: int, what: str, more: str = "s") -> str:
    return f"{number:,} {what}{more if number != 1 else ''}"


def _record(asked: Check, turns: Turns, sanity: bool) -> Record:
    """What was run, with the maps of two classes compared."""
    from xaibench.studies.check.evidence import alike
    from xaibench.studies.check.runs import images_of, tests_of

    untested, same = [*asked.left_out, *turns.left_out], {}
    sanity = sanity and bool(asked.call)
    images = images_of(asked)
    if not sanity:
        why = "--skip sanity" if asked.call else "there are maps alone"
        untested.append(("other weights, another class, noise", why))
    for spec in asked.methods if sanity else ():
        try:
            same[spec] = alike(asked.root, spec, asked.target, asked.other, images)
        except XaibenchError:
            continue
    return Record(
        method=asked.method,
        controls=asked.controls,
        standards=asked.standards,
        metrics=asked.metrics,
        target=asked.target,
        other=asked.other,
        seed=asked.config.seed,
        images=images,
        sanity=tests_of(asked) if sanity else {},
        alike=same,
        turns=tuple(_turned(asked, turns)),
        untested=tuple(untested),
    )


def _turned(asked: Check, turns: Turns) -> list[Turned]:
    return [
        Turned(
            label=turn.label,
            method=turn.method,
            metric=turn.metric,
            directory=""
            if turn.place.directory == asked.first
            else f"{SWITCHES}/{turn.place.directory}",
            stored=(turn.place.method, turn.place.metric),
        )
        for turn in turns.all
    ]
