"""How many images it takes: for every mean, and to tell every two methods apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from xaibench.analysis.columns import Column
from xaibench.analysis.compare import Source
from xaibench.analysis.header import build_header
from xaibench.analysis.power import POWER, WIDTHS, Apart, Mean, Needed, power
from xaibench.config.catalog import STAND_IN
from xaibench.report import document as d
from xaibench.report.text import MISSING, count, header_line, number, target_name

FIELDS = "target metric first second images difference low high needed least most unsure".split()
TITLE = "How many images it takes"
SIZES = (100, 500, 5_000, 50_000)
"""Images for which the pairs told apart are counted; the paper took the last."""


def of_run(source: Source) -> d.Document:
    """Return the page of a run."""
    found = power(source)
    pairs = [_pair(pair) for pair in found.pairs]
    return d.Document(
        name="power",
        formats=("md", "csv", "json", "html"),
        title=TITLE,
        lead=(TITLE, header_line(build_header(source.scores, source.catalog, source.identity))),
        blocks=d.small_print(_reading(found)),
        sections=tuple(part for target in found.targets for part in _sections(found, target)),
        fields=FIELDS,
        records=pairs,
        content={
            "power": POWER,
            "half_widths": list(WIDTHS),
            "means": [_mean(mean) for mean in found.means],
            "pairs": pairs,
            "sentences": list(sentences(found)),
        },
    )


def sentences(found: Needed) -> Iterator[str]:
    """What the pairs say of runs of 500 and of 50,000 images, a sentence a target."""
    odd = [c.metric for c in found.columns if found.catalog.metric(c.metric).explains == STAND_IN]
    for target in found.targets:
        held = [p for p in found.pairs if p.first.target == target]
        pairs = [p for p in held if p.first.metric not in odd]
        if odd_pairs := len(held) - len(pairs):
            yield (
                f"{target_name(target).capitalize()}: {count(odd_pairs, 'pair')} by metrics of a "
                "stand-in for the methods not counted."
            )
        if pairs:
            few, many = (_told(pairs, n) for n in (500, 50_000))
            alone = sum(p.images < 2 for p in pairs)
            equal = sum(p.needed is None for p in pairs) - alone
            yield (
                f"{target_name(target).capitalize()}: of {count(len(pairs), 'pair')} of methods "
                f"by one metric each, 500 images tell {few[0]:,} apart if all differ by as much as "
                f"here ({few[1]:,} to {few[2]:,} by the ends of the intervals of their "
                f"differences), and 50,000 images {many[0]:,} ({many[1]:,} to {many[2]:,}); "
                f"{equal:,} have equal means here."
                + f" Nothing is known of {count(alone, 'pair')} of one image."
                * bool(alone)
            )


def _told(pairs: Sequence[Apart], n: int) -> tuple[int, int, int]:
    """How many so many images tell apart: as seen, at the least and at the most."""
    return (
        sum(pair.told(n) for pair in pairs),
        sum(pair.surely_told(n) for pair in pairs),
        sum(pair.perhaps_told(n) for pair in pairs),
    )


def _reading(found: Needed) -> Iterator[str]:
    yield (
        "A mean: images for a 95% interval of 1 point and of 2 points to either side, a point "
        "being a hundredth of what the metric can range over; a metric without bounds has none. By "
        "Wilson's interval where every value is 0 or 1, else by Student's t."
    )
    yield (
        f"A pair: images with which a paired t-test at 5%, two-sided, tells two methods apart in "
        f"{POWER:.0%} of the runs, if they differ by as much as here; in brackets the same for the "
        "ends of the 95% interval of their difference, the last one open where that holds 0. Not "
        "corrected for the number of pairs. Noise alone makes a difference that some hundred "
        "images seem to find: the brackets are what is sure. In the counts of pairs they are the "
        "counts by these ends; the median is of all pairs, - where half of them have equal means."
    )
    if len({m.images for m in found.means} | {p.images for p in found.pairs}) > 1:
        yield f"n: the images that a number is from, where these are not {_usual(found):,}."
    if any(one.unsure for one in found.means) or any(one.unsure for one in found.pairs):
        yield (
            "!: from fewer than 10 images, or fewer than 5 that differ from the commonest value: "
            "too few to know the spread."
        )
    yield from sentences(found)


def _sections(found: Needed, target: str) -> Iterator[d.Section]:
    """What means need, how many pairs are told apart, and what every pair needs."""
    name = target_name(target)
    means = [mean for mean in found.means if mean.key.target == target]
    held = {mean.key.metric for mean in means}
    columns = [column for column in found.columns if column.metric in held]
    bounded = [c for c in columns if any(m.needed[0] for m in means if m.key.metric == c.metric)]
    if bounded:
        yield d.Section(f"Means, {name}", [_means(found, means, bounded)], key=f"means-{target}")
    yield d.Section(f"Pairs, {name}", [_counts(found, columns, target)], key=f"pairs-{target}")
    yield d.Section(f"Every pair, {name}", [_every(found, columns, target)], key=f"every-{target}")


def _usual(found: Needed) -> int:
    """The images that most means stand on."""
    return Counter(mean.images for mean in found.means).most_common(1)[0][0]


def _stands_on(images: int, usual: int) -> tuple[str, ...]:
    """`n 10` where that is not what most means stand on."""
    return (f"n {images:,}",) * (images != usual)


def _means(found: Needed, means: Sequence[Mean], columns: Sequence[Column]) -> d.Grid:
    held = {(mean.key.method, mean.key.metric): mean for mean in means}
    methods, usual = list(dict.fromkeys(mean.key.method for mean in means)), _usual(found)
    cells = [[_of_mean(held.get((m, c.metric)), usual) for c in columns] for m in methods]
    heads = [d.Column(column.brief) for column in columns]
    return d.Grid(("Method",), heads, [d.Row(found.catalog.label(m)) for m in methods], cells)


def _of_mean(mean: Mean | None, usual: int) -> d.Cell | None:
    if mean is None or mean.needed[0] is None:
        return None
    text = " / ".join(map(_images, mean.needed))
    return d.Cell(
        text,
        hint=f"from {count(mean.images, 'image')}",
        interval="!" * mean.unsure,
        flags=_stands_on(mean.images, usual),
    )


def _counts(found: Needed, columns: Sequence[Column], target: str) -> d.Grid:
    """A row a metric: pairs, those told apart by so many images, the median pair."""
    heads = [d.Column("Pairs"), *(d.Column(f"{n:,} images", "told apart by") for n in SIZES)]
    rows = []
    for column in columns:
        pairs = found.by(column.metric, target)
        told = [_told(pairs, n) for n in SIZES]
        counts = [d.Cell(str(n), f"[{least}, {most}]") for n, least, most in told]
        rows.append([d.Cell(str(len(pairs))), *counts, d.Cell(_median(pairs))])
    labels = [d.Row(column.header) for column in columns]
    return d.Grid(("Metric",), [*heads, d.Column("Median pair")], labels, rows)


def _median(pairs: Sequence[Apart]) -> str:
    """Images for half of the pairs; a pair of equal means is never told apart."""
    middle = median([pair.needed or math.inf for pair in pairs if pair.images > 1] or [math.inf])
    return _images(round(middle)) if math.isfinite(middle) else MISSING


def _every(found: Needed, columns: Sequence[Column], target: str) -> d.Grid:
    held = {
        (p.first.method, p.second.method, p.first.metric): p
        for column in columns
        for p in found.by(column.metric, target)
    }
    names = list(dict.fromkeys(key[:2] for key in held))
    usual = _usual(found)
    cells = [[_of_pair(held.get((*pair, c.metric)), c, usual) for c in columns] for pair in names]
    label = found.catalog.label
    rows = [d.Row(f"{label(one)}, {label(two)}") for one, two in names]
    return d.Grid(("Pair",), [d.Column(c.brief) for c in columns], rows, cells)


def _of_pair(pair: Apart | None, column: Column, usual: int) -> d.Cell | None:
    if pair is None:
        return None
    gap = column.scale * pair.difference
    hint = f"difference {number(gap, column.digits)}, {count(pair.images, 'image')}"
    stands_on = _stands_on(pair.images, usual)
    if pair.needed is None:
        return d.Cell(MISSING, hint=hint, flags=stands_on)
    least = _images(pair.least) if pair.least else MISSING
    most = _images(pair.most) if pair.most else ""
    doubt = "!" * pair.unsure
    return d.Cell(_images(pair.needed), f"[{least}, {most}]{doubt}", hint=hint, flags=stands_on)


def _images(n: int | None) -> str:
    """A number of images, from a million on in three digits."""
    if n is None:
        return MISSING
    return f"{n:,}" if n < 1_000_000 else f"{n:.0e}".replace("e+0", "e")


def _mean(mean: Mean) -> dict[str, Any]:
    needed = {f"needed_{width:g}": n for width, n in zip(WIDTHS, mean.needed, strict=True)}
    names = ["method", "target", "metric", "images", "spread", *needed, "unsure"]
    return d.record(names, mean.key._asdict(), vars(mean), needed)


def _pair(pair: Apart) -> dict[str, Any]:
    named = {
        "target": pair.first.target,
        "metric": pair.first.metric,
        "first": pair.first.method,
        "second": pair.second.method,
    }
    return d.record(FIELDS, vars(pair), named)
