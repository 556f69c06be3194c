"""Which method to choose, in five sentences made of the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from xaibench.analysis.choice import Choice
from xaibench.analysis.stats import MIN_IMAGES
from xaibench.config.catalog import CONTROL
from xaibench.config.declared import shipped
from xaibench.report.text import MISSING, count, number, target_name


def sentences(found: Choice) -> list[str]:
    """The page in five sentences, of its own numbers."""
    return [_compared(found), _leaders(found), _decision(found), _cost(found), _controls(found)]


def _compared(found: Choice) -> str:
    groups = [f"{s.group} by {', '.join(s.metrics)}" for s in found.standings if s.n]
    most = max((s.n for s in found.standings), default=found.images)
    some = count(most, "image") + f" that all have of {found.images:,}" * (most < found.images)
    lost = f"; without a score: {names(found, found.lost)}" if found.lost else ""
    return (
        f"{count(len(found.methods), 'method')} on {some}, "
        f"{target_name(found.target)}: {'; '.join(groups) or 'no metric can be ranked'}{lost}."
    )


def _leaders(found: Choice) -> str:
    """Who leads in each group, and whether that is sure."""
    groups: dict[str, list[str]] = {}
    for standing in found.judged:
        held, unbeaten = found.ranked(standing), found.unbeaten(standing)
        if first := found.first(standing):
            said = f"{name(found, first)} beats every other method"
        elif not unbeaten:
            said = "every method is beaten by another"
        elif len(unbeaten) == len(held):
            said = f"nothing tells the {len(held)} methods apart"
        else:
            said = f"no method beats {names(found, unbeaten, 'or')}"
        groups.setdefault(said, []).append(standing.group)
    if not groups:
        return f"No group has two methods on {MIN_IMAGES} images or more: nothing is decided."
    return f"{_capital('; '.join(f'in {_and(held)} {said}' for said, held in groups.items()))}."


def _decision(found: Choice) -> str:
    """The method to choose, or among which."""
    if not found.judged:
        return "Score more methods or images before you choose."
    open_to = found.everywhere
    lacking = found.missing(open_to).items()
    but = "; ".join(f"{name(found, m)} was not compared in {_and(held)}" for m, held in lacking)
    but = f" ({but})" if but else ""
    worse = found.under(open_to)
    noted = f"; a control ({names(found, list(worse))}) beats some, see below" if worse else ""
    if len(open_to) == 1:
        sure = [s.group for s in found.judged if found.first(s) in open_to]
        why = f", and it beats all of them in {_and(sure)}" if sure else ""
        first = f"Choose {names(found, open_to)}: no other method that can be chosen beats it"
        return f"{first} in any group{why}{but}{noted}."
    if open_to:
        quick = found.fastest(open_to)
        say = f"; the fastest of them is {name(found, quick)}" if quick else ""
        every = open_to == list(found.methods)
        which = f"all {len(open_to)} methods" if every else names(found, open_to)
        return f"Choose among {which}: no test here tells them apart{but}{say}{noted}."
    kept = [(found.unbeaten(s), s.group) for s in found.judged]
    best = [f"{names(found, held, 'or')} for {group}" for held, group in kept if held]
    return f"No method is unbeaten in every group{': choose ' * bool(best)}{', '.join(best)}."


def _cost(found: Choice) -> str:
    """Seconds, and whether the maps of those that are left look alike."""
    timed = [m for m in found.methods if m in found.seconds]
    if len(timed) > 1:
        order = sorted(timed, key=lambda m: found.seconds[m])
        quick, slow = order[0], order[-1]
        ratio = found.seconds[slow] / found.seconds[quick]
        said = (
            f"{name(found, quick)} is the fastest ({seconds(found, quick)} s a map) and "
            f"{name(found, slow)} takes {ratio:,.3g} times as long"
        )
    else:
        said = "Seconds of two methods are not recorded in this run"
    pairs = [p for p in found.agreement if {p.first, p.second} <= set(found.methods) and p.n]
    if not pairs:
        return f"{said}; there are no maps of two methods to be compared."
    (most, high), (least, low) = (
        (names(found, (p.first, p.second)), number(p.correlation.mean, 2))
        for p in (pairs[0], pairs[-1])
    )
    if len(pairs) == 1:
        return f"{said}; the maps of {most} have a rank correlation of {high}."
    best = f"maps agree most between {most} (rank correlation {high})"
    return f"{said}; {best}, least between {least} ({low})."


def _controls(found: Choice) -> str:
    """What controls say about the metrics."""
    if not found.controls:
        known = [m.key for m in shipped().methods.values() if m.family == CONTROL]
        return (
            "No control is in this run, so nobody knows whether these metrics would praise a map "
            f"that explains nothing: add one (--method {','.join(known)})."
        )
    shown = names(found, found.controls)
    if not found.judged:
        return f"{shown}: shown as controls and never recommended."
    open_to = found.everywhere or list(found.methods)
    missed: dict[str, list[str]] = {}
    for standing in found.judged:
        for control in found.controls:
            lost = [m for m in open_to if control not in found.beaten(standing.group, m)]
            if lost:
                which = "any method" if lost == list(found.methods) else names(found, lost)
                missed.setdefault(f"{which} against {name(found, control)}", []).append(
                    standing.group
                )
    worse = []
    for control, of in found.under(open_to).items():
        lost = [f"{name(found, method)} in {_and(groups)}" for method, groups in of.items()]
        worse.append(f"{name(found, control)} beats {_and(lost)}")
    if worse:
        rest = "; not shown to be better than a control in other groups" * bool(missed)
        return f"Worse than a control: {'; '.join(worse)}: do not believe a map there{rest}."
    if missed:
        said = "; ".join(f"{which} in {_and(held)}" for which, held in missed.items())
        return (
            f"Not shown to be better than a control: {said}: good numbers are no ground to believe "
            "a map there."
        )
    return f"{_capital(names(found, open_to))} beat the control {shown} in every group."


def name(found: Choice, method: str) -> str:
    """A method's title."""
    return found.catalog.label(method)


def names(found: Choice, methods: Sequence[str], word: str = "and") -> str:
    """Titles in a row: A, B and C."""
    return _and([name(found, m) for m in methods], word)


def _and(names: Sequence[str], word: str = "and") -> str:
    return f" {word} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def seconds(found: Choice, method: str) -> str:
    """Seconds a map in three digits; "-" where none were recorded."""
    value = found.seconds.get(method)
    return MISSING if value is None else f"{value:.3g}"
