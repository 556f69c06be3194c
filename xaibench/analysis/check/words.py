"""Seven sentences at most from a judgement's numbers: what may be believed, what not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from xaibench.analysis.check.beside import ALPHA
from xaibench.analysis.check.evidence import (
    BETTER,
    CLASS,
    FAILED,
    NOISE,
    PASSED,
    UNDECIDED,
    WEIGHTS,
    WORSE,
    Beside,
    Judgement,
    Sane,
    Turned,
)
from xaibench.analysis.paired import smallest_p
from xaibench.config.catalog import CONTROL, STAND_IN, STOOD_IN
from xaibench.config.specs import key_of

SETTLED = "a map that never changes decides it"
NAMED = 4
"""How many things a sentence names before "and N more"."""
DOES = {
    WEIGHTS: "change when the weights are drawn anew",
    CLASS: "change with the class",
    NOISE: "stay nearer to themselves under small noise than under other weights",
}
DOES_NOT = {
    WEIGHTS: "stay alike when the weights are drawn anew",
    CLASS: "stay alike for another class",
    NOISE: "are no nearer to themselves under small noise than under other weights",
}


def sentences(j: Judgement) -> tuple[str, ...]:
    """What follows from a judgement, each sentence with its numbers; at most seven."""
    parts: tuple[Callable[[Judgement], str], ...] = (
        _believed,
        _doubted,
        _useless,
        _standards,
        _robust,
        _cost,
        _untested,
    )
    return tuple(said for part in parts if (said := part(j)))


def listed(names: Iterable[str], most: int = NAMED) -> str:
    """`A, B and C`, or `A, B, C, D and 3 more`."""
    held = list(names)
    if len(held) > most:
        return f"{', '.join(held[:most])} and {len(held) - most:,} more"
    return " and ".join(filter(None, (", ".join(held[:-1]), held[-1]))) if held else ""


def metric_name(j: Judgement, metric: str) -> str:
    """A metric's title, or its spec where it has values."""
    return j.catalog.metric(metric).title if key_of(metric) == metric else metric


def _controls(j: Judgement) -> tuple[Beside, ...]:
    return tuple(beside for beside in j.besides if beside.control)


def _own(j: Judgement, *verdicts: str) -> list[Sane]:
    return [s for s in j.sane if s.method == j.method and s.verdict in verdicts]


def beating(j: Judgement) -> list[str]:
    """The metrics by which the method is better than every control."""
    beaten: dict[str, set[str]] = {}
    for beside in _controls(j):
        beaten.setdefault(beside.metric, set())
        if beside.verdict == BETTER:
            beaten[beside.metric].add(beside.other)
    every = {beside.other for beside in _controls(j)}
    return [metric for metric, others in beaten.items() if others == every]


def _believed(j: Judgement) -> str:
    name, besides = j.catalog.label(j.method), _controls(j)
    if j.catalog.method(j.method).family == CONTROL:
        return (
            f"{name} is a control: it asks no network, and nothing of its maps may be believed, "
            "whatever their scores are."
        )
    metrics, best = len({beside.metric for beside in besides}), beating(j)
    said = []
    if best:
        others = listed(dict.fromkeys(j.catalog.label(b.other) for b in besides))
        by = listed(metric_name(j, metric) for metric in best)
        said.append(
            f"are better than every control ({others}) by {by} "
            f"({len(best)} of {metrics} metrics) on {_images(j, best)}"
        )
    said += [f"{DOES[s.test]} ({_of(j, s, s.passed)})" for s in _own(j, PASSED)]
    if said:
        return f"What may be believed of {name}: its maps {'; '.join(said)}."
    if not j.decidable and besides:
        return f"Nothing may be believed of {name} yet: {_few(j)}."
    tried = any(s.method == j.method for s in j.sane)
    sane = "they pass no sanity test" if tried else "no sanity test could be made"
    return (
        f"Nothing may be believed of {name} on this evidence: by no metric are its maps better "
        f"than every control, and {sane}."
    )


def _images(j: Judgement, metrics: Iterable[str]) -> str:
    """On how many images the method met the controls by some metrics."""
    some = set(metrics)
    counts = sorted({beside.n for beside in _controls(j) if beside.metric in some})
    return f"{' to '.join(f'{n:,}' for n in (counts[0], counts[-1])[: len(counts)])} images"


def _of(j: Judgement, sane: Sane, count: int) -> str:
    """On how many images; of fewer than all, which these are."""
    if sane.n >= j.images:
        return f"{count} of {sane.n} images"
    return f"{count} of {sane.n} images, of {j.images}: where neither map is constant"


def _doubted(j: Judgement) -> str:
    worse: dict[str, list[str]] = {}
    for beside in _controls(j):
        if beside.verdict == WORSE:
            worse.setdefault(beside.other, []).append(metric_name(j, beside.metric))
    said = [f"are worse than {j.catalog.label(o)} by {listed(names)}" for o, names in worse.items()]
    said += [f"{DOES_NOT[s.test]} ({_of(j, s, s.n - s.passed)})" for s in _own(j, FAILED)]
    said = [f"its maps {'; '.join(said)}"] if said else []
    open_ = sum(beside.verdict == UNDECIDED for beside in _controls(j))
    if open_:
        total = len(_controls(j))
        said.append(f"{open_:,} of {total:,} comparisons with controls are undecided")
    tests = [DOES[s.test] for s in _own(j, UNDECIDED)]
    said += [f"it is undecided whether its maps {listed(tests)}"] if tests else []
    if said:
        return f"What may not: {'; '.join(said)}."
    return "No control and no sanity test here speaks against it." if j.besides or j.sane else ""


def _few(j: Judgement) -> str:
    most = max((beside.apart for beside in j.besides), default=0)
    return (
        f"it differs from another method on at most {most:,} images, and a verdict on any of "
        f"{j.counted:,} comparisons needs {j.needed:,}"
    )


def _useless(j: Judgement) -> str:
    chance = [b for b in _controls(j) if j.catalog.method(b.other).chance]
    if j.useless:
        names = listed((metric_name(j, metric) for metric in j.useless), most=12)
        why = "since by them it is not shown to be better than noise"
        return f"Of no use for it here, {why}: {names}."
    if chance and all(beside.verdict == BETTER for beside in chance):
        return f"By each of {len(chance):,} metrics it is better than noise."
    return ""


def _standards(j: Judgement) -> str:
    said = []
    for other in dict.fromkeys(beside.other for beside in j.besides if not beside.control):
        against, name = j.against(other), j.catalog.label(other)
        for verdict in (BETTER, WORSE):
            names = [metric_name(j, b.metric) for b in against if b.verdict == verdict]
            said += [f"{verdict} than {name} by {listed(names)}"] if names else []
        open_ = sum(beside.verdict == UNDECIDED for beside in against)
        said += [f"undecided beside {name} by {open_} of {len(against)} metrics"] if open_ else []
    return f"Standard methods: it is {'; '.join(said)}." if said else ""


def _robust(j: Judgement) -> str:
    switches = list(dict.fromkeys(t.switch for t in j.turned if t.switch))
    if not switches:
        return ""
    flipped: dict[tuple[str, str, str, str], list[str]] = {}
    for t in j.turned:
        for other, before, after in t.flips:
            flipped.setdefault((t.switch, t.metric, before, after), []).append(other)
    names = dict.fromkeys(switch for switch, *_ in flipped)
    first = f"{_none(len(names))} of {len(switches):,} switches and orders of ties "
    first += f"{'flip' if len(names) > 1 else 'flips'} a verdict against a control"
    if not names and not _flippable(j, len(switches)):
        first = (
            f"{len(switches):,} switches and orders of ties were tried, on too few images for any "
            "to flip a verdict"
        )
    if names:
        said = [_flip(j, *key, others) for key, others in flipped.items()]
        said = [*said[:NAMED], *[f"{len(said) - NAMED:,} more"] * (len(said) > NAMED)]
        first += f" ({'; '.join(said)})"
    moved = max(_moves(j), key=lambda move: abs(move[0].rank - move[1].rank), default=None)
    if moved and moved[0].rank != moved[1].rank:
        start, end = moved
        first += (
            f"; its rank moves most by {metric_name(j, end.metric)} under {end.switch}, from "
            f"{start.rank} to {end.rank} of {end.of}"
        )
    return f"{first}."


def _flippable(j: Judgement, switches: int) -> bool:
    """Whether a switch could have flipped a verdict: there is one to lose, or one to be had."""
    most = max((beside.apart for beside in _controls(j)), default=0)
    to_lose = any(beside.verdict != UNDECIDED for beside in _controls(j))
    return to_lose or smallest_p(most) * j.counted < ALPHA / switches


def _none(count: int) -> str:
    return f"{count:,}" if count else "None"


def _flip(
    j: Judgement, switch: str, metric: str, before: str, after: str, others: Sequence[str]
) -> str:
    against = listed(map(j.catalog.label, others))
    return f"{switch}: {metric_name(j, metric)} against {against} from {before} to {after}"


def _moves(j: Judgement) -> Iterator[tuple[Turned, Turned]]:
    start = {t.metric: t for t in j.turned if not t.switch}
    yield from ((start[t.metric], t) for t in j.turned if t.switch)


def _cost(j: Judgement) -> str:
    mine = next((spent for spent in j.spent if spent.method == j.method), None)
    if mine is None:
        return ""
    said = [] if mine.seconds is None else [f"an image takes {mine.seconds:.2g} s"]
    if mine.tied is not None:
        said.append(f"{100 * mine.tied:.0f}% of its pixels share their value with another")
    if mine.constant is not None:
        said.append(f"{_none(mine.constant).lower()} of its maps are constant")
    if mine.nonfinite:
        said.append(f"{mine.nonfinite:,} are not finite and in no number here")
    return f"Cost and maps: {', '.join(said)}." if said else ""


def _untested(j: Judgement) -> str:
    said = [f"{what} ({why})" for what, why in j.untested]
    anew = [metric for metric in j.undirected if j.catalog.metric(metric).explains == STAND_IN]
    rest = [metric for metric in j.undirected if metric not in anew]
    for metrics, why in ((rest, "nobody says which direction is better"), (anew, STOOD_IN)):
        if metrics:
            said.append(f"{listed(metric_name(j, metric) for metric in metrics)} ({why})")
    if j.settled:
        names = listed(dict.fromkeys(metric_name(j, metric) for metric, _ in j.settled))
        others = listed(dict.fromkeys(j.catalog.label(other) for _, other in j.settled))
        said.append(f"{names} beside {others} ({SETTLED})")
    return f"Not tested: {'; '.join(said)}." if said else ""
