"""Does the ranking hold? The methods' ranks in several runs, and which pairs keep their order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any

from xaibench.analysis.across import PAPER, Across, Ordered
from xaibench.analysis.concord import Concord
from xaibench.analysis.header import build_header
from xaibench.analysis.kept import Kept
from xaibench.analysis.layout import table_rows
from xaibench.analysis.paired import EXACT, smallest_p
from xaibench.analysis.stats import LEVEL, RESAMPLES
from xaibench.report import document as d
from xaibench.report.text import MISSING, count, header_line, interval, number, target_name

FIELDS = "target metric run method images rank low high unsure".split()
TAU = "metric first second methods tau low high unsure".split()
PAIR = "metric first second everywhere surely unsure paper by_run".split()
TITLE = "Does the ranking hold?"
MARKS = (
    ">: the first is better in every run; <: the second; >> and <<: surely; -: neither; "
    "\u2260: the paper prints another order, or equal values."
)


def page(found: Across) -> d.Document:
    """Return the page of several runs; its figure is `across.png`."""
    headers = {x: build_header(s.scores, s.catalog, s.identity) for x, s in found.runs.items()}
    runs = [f"{x}: {s.name} ({header_line(headers[x])})" for x, s in found.runs.items()]
    records = list(_ranks(found))
    figure = d.Figure("across.png", "Kendall's tau of every two rankings, by metric")
    return d.Document(
        name="across",
        formats=("md", "csv", "json", "html"),
        title=TITLE,
        lead=(f"{TITLE} {target_name(found.target).capitalize()}.", *runs),
        blocks=[
            d.Bullets([d.Paragraph(text) for text in sentences(found)]),
            *d.small_print(_reading(found)),
        ],
        sections=(
            d.Section("Kendall's tau", [_taus(found), figure], key="taus"),
            d.Section("Ranks", [_ranking(found)], key="ranks"),
            d.Section("Pairs of methods", [_counts(found)], key="pairs"),
            d.Section("Every pair", [d.Paragraph(MARKS, "dim"), _every(found)], key="every"),
        ),
        fields=FIELDS,
        records=records,
        content={
            "target": found.target,
            "resamples": RESAMPLES,
            "runs": [
                {"run": x, "name": s.name, **asdict(headers[x])} for x, s in found.runs.items()
            ],
            "images_in_all": found.shared,
            "unranked": [{"metric": title, "why": why} for title, why in found.unranked],
            "metrics": [
                {"metric": m.column.metric, "absent": dict(m.absent), "lost": dict(m.lost)}
                for m in found.metrics
            ],
            "ranks": records,
            "taus": [_tau(metric, one) for metric in found.metrics for one in metric.taus],
            "pairs": [_pair(metric, one) for metric in found.metrics for one in metric.pairs],
            "sentences": list(sentences(found)),
        },
    )


def sentences(found: Across) -> Iterator[str]:
    """What the taus and pairs say: between runs, of pairs, and of the paper."""
    if taus := _defined(found.metrics, paper=False):
        yield f"Kendall's tau of two runs by a metric is {_spread(taus)}."
    pairs = [pair for metric in found.metrics for pair in metric.pairs if pair.differ]
    kept = [pair for pair in pairs if pair.everywhere]
    surely = [pair.unsure for pair in kept if pair.surely]
    yield (
        f"Of {count(len(pairs), 'pair')} of methods by one metric each that differ in any run, "
        f"{len(kept):,} keep their order in every run that ranks by it, {len(surely):,} of them "
        f"surely{_doubted(sum(surely))}."
    )
    theirs = [metric for metric in found.metrics if metric.column.header not in found.stood_in]
    printed = [p for m in theirs for p in m.pairs if p.everywhere and p.paper is not None]
    if printed:
        same = sum(pair.paper == pair.everywhere for pair in printed)
        yield (
            f"Of {len(printed):,} of these that the paper prints too, it has {same:,} in the same "
            "order."
        )
    if taus := _defined(theirs, paper=True):
        yield f"Kendall's tau of the paper's ranking and a run's is {_spread(taus)}."


def _defined(metrics: Sequence[Ordered], paper: bool) -> list[float]:
    """The taus of a run and the paper, or of two runs, as far as they are defined."""
    found = (one for metric in metrics for one in metric.taus if (one.second == PAPER) == paper)
    return [one.tau for one in found if one.tau is not None]


def _spread(values: Sequence[float]) -> str:
    ends = f"from {number(min(values), 2)} to {number(max(values), 2)}"
    return f"{number(median(values), 2)} in the median of {len(values):,}, {ends}"


def _doubted(n: int) -> str:
    return f" ({n:,} of these not to be trusted: !)" if n else ""


def _reading(found: Across) -> Iterator[str]:
    yield (
        f"Ranks: 1 is best, of the methods that all runs have; in brackets 95% of {RESAMPLES:,} "
        "bootstrap resamples of images. An image is drawn alike in all runs that have it "
        f"({found.shared:,} are in all), images of one run alone without regard to the others."
    )
    yield from _fewer(found)
    if any(PAPER in metric.rankings for metric in found.metrics):
        yield (
            "paper: the values that it prints for ResNet-50, as one more ranking, without an "
            "interval of its own; ranks are among the methods that it prints."
        )
    yield (
        "Kendall's tau-b: 1 the same order, 0 unrelated, -1 the opposite; in brackets a 95% "
        "interval of the true one: pairs of methods that a paired permutation test over images "
        "tells apart after correction for all of them (Bonferroni) as they are, all others taken "
        "for, and against. The test takes differences to be symmetric, which a few images that "
        f"decide a mean are not, and each tau has its own 95%.{_least(found)}"
    )
    yield (
        "A pair keeps its order where the mean difference has the same sign in every run, and "
        "surely where its 95% interval excludes 0 in each of them. That needs no correction for "
        "the number of runs (Holm), since all have to find it; for the number of pairs none is "
        "made, so that some of those found surely may be by chance."
    )
    few = any(one.unsure for metric in found.metrics for one in metric.rankings.values())
    if few or any(pair.unsure for metric in found.metrics for pair in metric.pairs):
        yield (
            "!: from fewer than 10 images, or (of a pair) fewer than 5 that differ from the "
            "commonest value: an interval not to be trusted."
        )
    yield from _left_out(found)


def _fewer(found: Across) -> Iterator[str]:
    """By which metrics a run ranks on fewer images than it has."""
    for run, images in found.images.items():
        by: dict[int, list[str]] = {}
        for metric in found.metrics:
            if run in metric.rankings:
                by.setdefault(metric.rankings[run].n, []).append(metric.column.header)
        for n, heads in by.items():
            if n < images:
                told = f"Run {run} ranks by {', '.join(heads)} on {n:,} of its {images:,} images"
                yield f"{told}: those that every ranked method has."


def _least(found: Across) -> str:
    """From how many images on the test tells methods apart in two runs; "" where it never can."""
    many = max(len(metric.methods) for metric in found.metrics)
    needed = (1 - LEVEL) / (many * (many - 1))
    if needed < smallest_p(EXACT + 1):
        return ""
    images = math.ceil(1 - math.log2(needed))  # a p of 2^(1 - n) is the smallest of n
    return f" It takes {images} images in both of two runs to tell any of {many} methods apart so."


def _left_out(found: Across) -> Iterator[str]:
    """Which methods, metrics and runs are not compared."""
    lost: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    absent: dict[tuple[str, str], list[str]] = {}
    for metric in found.metrics:
        for method, runs in metric.lost.items():
            lost.setdefault((found.catalog.label(method), runs), []).append(metric.column.header)
        for run, why in metric.absent.items():
            absent.setdefault((run, why), []).append(metric.column.header)
    for (method, runs), heads in lost.items():
        why = f"not scored in {', '.join(runs)}" if runs else "on too few of the images"
        yield f"Left out: {method} by {', '.join(heads)} ({why})."
    for (run, why), heads in absent.items():
        yield f"Left out: run {run} by {', '.join(heads)} ({why})."
    if odd := ", ".join(found.stood_in):
        yield (
            "The paper's code did what protocol published does: of each method a gradient in its "
            f"stead. Its ranking by {odd} does not measure the methods, and no sentence counts it."
        )
    for why in dict.fromkeys(why for _, why in found.unranked):
        heads = [head for head, reason in found.unranked if reason == why]
        yield f"Left out: {', '.join(heads)} ({why})."


def _taus(found: Across) -> d.Grid:
    """A row a metric, a column every two rankings."""
    pairs = found.two_and_two
    cells = []
    for metric in found.metrics:
        held = {(one.first, one.second): one for one in metric.taus}
        cells.append([_of_tau(metric, held.get(pair)) for pair in pairs])
    rows = [d.Row(metric.column.header) for metric in found.metrics]
    return d.Grid(("Metric",), [d.Column(f"{a}, {b}") for a, b in pairs], rows, cells)


def _of_tau(metric: Ordered, one: Concord | None) -> d.Cell | None:
    if one is None:
        return None
    doubt = metric.unsure(one)
    ends = interval(one.low, one.high, 2, doubt)
    return d.Cell(number(one.tau, 2), ends or "!" * doubt, hint=count(one.methods, "method"))


def _ranking(found: Across) -> d.Grid:
    names = [*found.runs, *[PAPER] * any(PAPER in m.rankings for m in found.metrics)]
    rows, cells = [], []
    for metric in found.metrics:
        for row in table_rows(metric.methods, found.catalog):
            rows.append(d.Row(row.label, family=metric.column.header))
            cells.append([_of_rank(metric, name, row.method) for name in names])
    return d.Grid(("Metric", "Method"), list(map(d.Column, names)), rows, cells)


def _of_rank(metric: Ordered, name: str, method: str) -> d.Cell | None:
    ranked = metric.rankings.get(name)
    if ranked is None or method not in ranked.ranks:
        return None
    held = ranked.ranks[method]
    ends = "" if held.low is None else f"[{held.low:g}, {held.high:g}]"
    return d.Cell(f"{held.rank:g}", ends + "!" * ranked.unsure, hint=count(ranked.n, "image"))


def _counts(found: Across) -> d.Grid:
    """A row a metric: pairs, those that keep their order, and how the paper has these."""
    heads = ["Runs", "Pairs", "Keep their order", "Surely", "Printed", "As printed"]
    rows = []
    for metric in found.metrics:
        kept = [pair for pair in metric.pairs if pair.everywhere]
        printed = [pair for pair in kept if pair.paper is not None]
        surely = [pair for pair in kept if pair.surely]
        runs = ", ".join(name for name in metric.rankings if name != PAPER)
        numbers = (
            sum(pair.differ for pair in metric.pairs),
            len(kept),
            len(surely),
            len(printed),
            sum(pair.paper == pair.everywhere for pair in printed),
        )
        line = [d.Cell(runs), *(d.Cell(f"{n:,}") for n in numbers)]
        line[3] = replace(line[3], interval="!" * any(pair.unsure for pair in surely))
        rows.append(line)
    labels = [d.Row(metric.column.header) for metric in found.metrics]
    columns = [d.Column(head, left=head == "Runs") for head in heads]
    return d.Grid(("Metric",), columns, labels, rows)


def _every(found: Across) -> d.Grid:
    """A row every two methods, a column a metric: which one is better in every run."""
    held = {(p.first, p.second, m.column.metric): p for m in found.metrics for p in m.pairs}
    label = found.catalog.label
    names = list(dict.fromkeys(key[:2] for key in held))
    metrics = [metric.column for metric in found.metrics]
    cells = [[_of_pair(held.get((*pair, c.metric))) for c in metrics] for pair in names]
    heads = [d.Column(c.brief) for c in metrics]
    return d.Grid(
        ("Pair",), heads, [d.Row(f"{label(one)}, {label(two)}") for one, two in names], cells
    )


def _of_pair(pair: Kept | None) -> d.Cell | None:
    if pair is None:
        return None
    if not pair.everywhere:
        return d.Cell(MISSING)
    mark = (">" if pair.everywhere > 0 else "<") * (2 if pair.surely else 1) + "!" * pair.unsure
    other = pair.paper is not None and pair.paper != pair.everywhere
    return d.Cell(mark + " \u2260" * other)


def _ranks(found: Across) -> Iterator[dict[str, Any]]:
    for metric in found.metrics:
        for name, ranked in metric.rankings.items():
            run = found.runs[name].name if name in found.runs else name
            for method, held in ranked.ranks.items():
                named = {"target": found.target, "metric": metric.column.metric, "run": run}
                more = {"method": method, "images": ranked.n, "unsure": ranked.unsure}
                yield d.record(FIELDS, vars(held), named, more)


def _tau(metric: Ordered, one: Concord) -> Mapping[str, Any]:
    named = {"metric": metric.column.metric, "unsure": metric.unsure(one)}
    return d.record(TAU, vars(one), named)


def _pair(metric: Ordered, pair: Kept) -> Mapping[str, Any]:
    names = "images mean low high unsure".split()
    by = {x: d.record(names, vars(one), images=one.n) for x, one in pair.by_run.items()}
    more = {"everywhere": pair.everywhere, "surely": pair.surely, "unsure": pair.unsure}
    return d.record(PAIR, vars(pair), more, {"metric": metric.column.metric, "by_run": by})
