"""Which method to choose: ranks by group of metrics, who beats whom, seconds, agreement."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from xaibench.analysis.choice import Choice, Duel, Standing
from xaibench.analysis.choose import choose
from xaibench.analysis.compare import Source
from xaibench.analysis.footnotes import UNSURE
from xaibench.analysis.header import build_header
from xaibench.analysis.paired import ALPHA, EXACT, PATTERNS, RANDOM, smallest_p
from xaibench.analysis.stats import MIN_IMAGES
from xaibench.report import document as d
from xaibench.report.sentences import name, seconds, sentences
from xaibench.report.text import MISSING, count, header_line, interval, number

FIELDS = "group first second n share low high unsure p p_holm winner".split()
TITLE = "Which method to choose"


def of_run(source: Source) -> d.Document:
    """Return the page of a run."""
    found = choose(source)
    said = sentences(found)
    duels = [_record(duel) for duel in found.duels]
    return d.Document(
        name="choose",
        formats=("md", "csv", "json", "html"),
        title=TITLE,
        lead=(TITLE, header_line(build_header(source.scores, source.catalog, source.identity))),
        blocks=d.small_print(_reading(found)),
        sections=(
            d.Section("", (_grid(found),), key="choose"),
            d.Section("In words", [d.Paragraph(line) for line in said], key="words"),
        ),
        fields=FIELDS,
        records=duels,
        content={
            "target": found.target,
            "images": found.images,
            "methods": [_method(found, m) for m in (*found.methods, *found.controls)],
            "groups": [_group(found, standing) for standing in found.standings],
            "test": "two-sided sign-flip permutation test over images of what one method wins more "
            "than it loses to another",
            "correction": f"Holm, over {count(len(found.duels), 'pair')} of methods and groups",
            "minimum_images": MIN_IMAGES,
            "duels": duels,
            "device": found.device,
            "sentences": said,
        },
    )


def _grid(found: Choice) -> d.Grid:
    shown = [standing for standing in found.standings if standing.ranks]
    heads = [d.Column(f"{one.group.capitalize()} rank", better=False) for one in shown]
    heads += [d.Column("Seconds", better=False)] * bool(found.seconds)
    heads += [d.Column("Agreement")] * bool(found.agreement)
    methods = sorted(found.methods, key=lambda m: _place(found, m))
    rows = [d.Row(name(found, m)) for m in methods]
    rows += [d.Row(name(found, m), "control") for m in found.controls]
    cells = [list(_cells(found, m)) for m in (*methods, *found.controls)]
    return d.Grid(("Method",), heads, rows, cells)


def _place(found: Choice, method: str) -> float:
    """Its mean rank over the groups, as a share of the methods there."""
    held = [s.ranks[method].mean / len(s.ranks) for s in found.standings if method in s.ranks]
    return sum(held) / len(held) if held else math.inf


def _cells(found: Choice, method: str) -> Iterator[d.Cell]:
    for standing in (one for one in found.standings if one.ranks):
        yield _rank(found, standing, method)
    if found.seconds:
        yield d.Cell(seconds(found, method))
    if found.agreement:
        value = agreement_of(found, method)
        yield d.Cell(MISSING if value is None else number(value, 2))


def _rank(found: Choice, standing: Standing, method: str) -> d.Cell:
    if method not in standing.ranks:
        return d.Cell(MISSING)
    rank = standing.ranks[method]
    low, high, unsure = rank.interval
    tone: d.Tone = ""
    if standing in found.judged and method in found.methods:
        unbeaten = method in found.unbeaten(standing)
        tone = "strong" if method == found.first(standing) else "second" if unbeaten else ""
    beats = len(found.beaten(standing.group, method))
    return d.Cell(
        number(rank.mean, 1),
        interval(low, high, 1, unsure),
        flags=(f"beats {beats}",) if beats else (),
        tone=tone,
        hint=f"{count(standing.n, 'image')}, {', '.join(standing.metrics)}",
    )


def agreement_of(found: Choice, method: str) -> float | None:
    """Mean correlation of a method's maps with those of the methods that can be chosen."""
    others = [
        p.correlation.mean
        for p in found.agreement
        if method in (p.first, p.second)
        and p.n
        and {p.first, p.second} - {method} <= set(found.methods)
    ]
    return sum(others) / len(others) if others else None


def _reading(found: Choice) -> Iterator[str]:
    yield (
        "Rank: 1 plus how many others a method loses to, in the mean over images and the metrics "
        "of a group (equal values share), with its 95% interval over images. Bold beats every "
        "other, underlined is beaten by none. Controls are ranked too, and never recommended."
    )
    total, most = len(found.duels), max((s.n for s in found.standings), default=0)
    yield (
        f"Beats: on the same images, by a two-sided sign-flip permutation test (every pattern to "
        f"{EXACT} differing images, {PATTERNS:,} random ones to {RANDOM:,}, the normal limit "
        f"beyond) with p below {ALPHA} after Holm's correction for the {count(total, 'pair')} of "
        f"methods and groups here, on at least {MIN_IMAGES} images."
    )
    if found.seconds:
        yield f"Seconds: to explain one class of an image on {found.device}, by the clock."
    if found.agreement:
        images = max(pair.n for pair in found.agreement)
        yield (
            "Agreement: mean rank correlation of a method's maps with those of the other methods "
            f"that are no controls, over the images on which neither is constant ({images:,} at "
            "most)."
        )
    if found.stopped:
        yield (
            "The run stopped when it was sure (--until), by its own scores: tests here take the "
            "number of images as if it had been fixed before."
        )
    if total and most >= MIN_IMAGES and (least := smallest_p(most)) * total >= ALPHA:
        yield (
            f"With {count(most, 'image')} no p is below {least:.2g}, or "
            f"{min(1.0, least * total):.2g} after Holm: no method can beat another "
            "here, whatever it is."
        )
    if any(r.interval.unsure for s in found.standings for r in s.ranks.values()):
        yield UNSURE
    yield from _not_ranked(found)
    for standing in found.standings:
        if standing.metrics and standing.n < found.images:
            yield f"{standing.group.capitalize()}: the {standing.n:,} images that all methods have."


def _not_ranked(found: Choice) -> Iterator[str]:
    """Which metrics rank nothing, by the reason."""
    left: dict[str, list[str]] = {}
    for standing in found.standings:
        for metric, why in standing.left_out.items():
            left.setdefault(why, []).append(f"{metric} ({standing.group})")
    for why, metrics in left.items():
        yield f"Not ranked: {', '.join(metrics)}: {why}."


def _method(found: Choice, method: str) -> dict[str, Any]:
    return d.record(
        ("method", "control", "seconds", "agreement"),
        {
            "method": method,
            "control": method in found.controls,
            "seconds": found.seconds.get(method),
            "agreement": agreement_of(found, method),
        },
    )


def _group(found: Choice, standing: Standing) -> dict[str, Any]:
    ranks = [
        d.record(
            ("method", "rank", "low", "high", "unsure"),
            rank.interval._asdict(),
            {"method": method, "rank": rank.mean},
        )
        for method, rank in standing.ranks.items()
    ]
    judged = standing in found.judged
    return {
        "group": standing.group,
        "metrics": list(standing.metrics),
        "left_out": dict(standing.left_out),
        "n": standing.n,
        "first": found.first(standing) if judged else "",
        "unbeaten": found.unbeaten(standing) if judged else [],
        "ranks": ranks,
    }


def _record(duel: Duel) -> dict[str, Any]:
    more = {"p_holm": duel.adjusted, "winner": duel.winner}
    return d.record(FIELDS, vars(duel), duel.interval._asdict(), more)
