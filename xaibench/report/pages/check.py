"""May this method be believed? Sentences, controls, standards, sanity, switches, cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

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
from xaibench.analysis.check.sanity import CHANGED, OTHER_CLASS
from xaibench.analysis.columns import Column
from xaibench.analysis.effects import ROUNDING
from xaibench.analysis.footnotes import UNSURE
from xaibench.analysis.stats import MIN_IMAGES
from xaibench.report import document as d
from xaibench.report.text import MISSING, count, interval, number, signed, target_name

FIELDS = (
    "what method other metric units switch test n mean low high unsure other_mean difference share "
    "p p_holm passed share_low share_high verdict rank of flips seconds tied constant nonfinite"
).split()
TONES: dict[str, d.Tone] = {BETTER: "good", PASSED: "good", WORSE: "bad", FAILED: "bad"}
TONES |= {UNDECIDED: "dim"}
TESTS = {WEIGHTS: "weights drawn anew", CLASS: "another class", NOISE: "small noise"}
ASKS = {
    WEIGHTS: f"similarity below {CHANGED:g}",
    CLASS: f"similarity below {OTHER_CLASS:g}",
    NOISE: "nearer than other weights",
}

LEGEND = (
    "Cells beside another method: verdict, mean difference (the method minus the other) [95% "
    "interval], share of images on which the method is better."
)


def page(judgement: Judgement) -> d.Document:
    """Return the page of a check."""
    name = judgement.catalog.label(judgement.method)
    lines = list(_records(judgement))
    return d.Document(
        name="check",
        formats=("md", "csv", "json", "html"),
        title=f"May {name} be believed? {count(judgement.images, 'image')}, "
        f"{target_name(judgement.target)}",
        legend=LEGEND if judgement.besides else "",
        blocks=[d.Bullets([d.Paragraph(sentence) for sentence in judgement.sentences])],
        sections=[section for section in _sections(judgement) if section.blocks],
        fields=FIELDS,
        records=lines,
        content={
            "method": judgement.method,
            "images": judgement.images,
            "target": judgement.target,
            "sentences": list(judgement.sentences),
            "of_no_use": list(judgement.useless),
            "without_direction": list(judgement.undirected),
            "untested": [{"what": what, "why": why} for what, why in judgement.untested],
            "rules": _rules(judgement),
            "numbers": lines,
        },
    )


def _sections(j: Judgement) -> Iterator[d.Section]:
    for title, control in (("Against controls", True), ("Beside standard methods", False)):
        grid = _beside([b for b in j.besides if b.control is control], j)
        yield d.Section(title, grid, key="controls" if control else "standards")
    yield d.Section("Sanity of the maps", _sanity(j), key="sanity")
    yield d.Section("What would flip it", _robust(j), key="robustness")
    yield d.Section("Cost and maps", _spent(j), key="cost")
    rules = [d.Bullets(d.small_print(_rules(j)))] if j.besides or j.sane else []
    yield d.Section("Rules", rules, key="rules")


def _beside(besides: Sequence[Beside], j: Judgement) -> list[d.Block]:
    """One row a metric, one column another method."""
    if not besides:
        return []
    held = {(b.metric, b.other): b for b in besides}
    others = list(dict.fromkeys(b.other for b in besides))
    firsts = {b.metric: b for b in reversed(besides)}
    metrics = list(dict.fromkeys(b.metric for b in besides))
    cells = [[_difference(held.get((m, other))) for other in others] for m in metrics]
    rows = [_row(firsts[m].column, firsts[m].mean, m in j.useless) for m in metrics]
    columns = [d.Column(j.catalog.label(other)) for other in others]
    return [d.Grid(("Metric",), columns, rows, cells, widest=28)]


def _row(column: Column, mean: float, useless: bool) -> d.Row:
    detail = f"mean {number(mean, column.digits)}" + ", lower is better" * (
        column.higher_is_better is False
    )
    return d.Row(column.header, detail + ", of no use" * useless)


def _difference(beside: Beside | None) -> d.Cell | None:
    if beside is None:
        return None
    digits = beside.column.digits
    ends = interval(beside.low, beside.high, digits, beside.unsure)
    return d.Cell(
        f"{beside.verdict} {signed(beside.difference, digits)}",
        f"{ends} {100 * beside.share:.0f}%".strip(),
        tone=TONES[beside.verdict],
        hint=f"{count(beside.n, 'image')}, p {beside.adjusted:.2g}",
    )


def _sanity(j: Judgement) -> list[d.Block]:
    if not j.sane:
        return []
    heads = ("Verdict", "Images", "Share, %", "Similarity")
    rows = [d.Row(TESTS[s.test], ASKS[s.test], j.catalog.label(s.method)) for s in j.sane]
    cells = [list(_sane(s)) for s in j.sane]
    columns = [d.Column(heads[0], left=True), *map(d.Column, heads[1:])]
    return [d.Grid(("Method", "Changed"), columns, rows, cells, widest=27)]


def _sane(sane: Sane) -> Iterator[d.Cell]:
    low, high = 100 * sane.share_low, 100 * sane.share_high
    yield d.Cell(sane.verdict, tone=TONES[sane.verdict])
    yield d.Cell(f"{sane.passed:,} of {sane.n:,}")
    yield d.Cell(number(100 * sane.passed / sane.n, 0), interval(low, high, 0))
    yield d.Cell(number(sane.mean, 2), interval(sane.low, sane.high, 2, sane.unsure))


def _robust(j: Judgement) -> list[d.Block]:
    """One row a switch, one column a metric."""
    switches = list(dict.fromkeys(t.switch for t in j.turned))
    if switches in ([], [""]):
        return []
    held = {(t.switch, t.metric): t for t in j.turned}
    columns = {t.metric: t.column for t in j.turned}
    cells = [[_turned(held.get((s, m)), j) for m in columns] for s in switches]
    rows = [d.Row(switch or "the protocol as it is") for switch in switches]
    heads = [d.Column(c.header, better=c.higher_is_better) for c in columns.values()]
    return [d.Grid(("Switched",), heads, rows, cells, widest=36)]


def _turned(turned: Turned | None, j: Judgement) -> d.Cell:
    if turned is None:
        return d.Cell(MISSING)
    flips = [f"{j.catalog.label(other)}: {after}" for other, _, after in turned.flips]
    mean = number(turned.mean, turned.column.digits)
    tone: d.Tone = "warn" if flips else ""
    return d.Cell(f"{mean} ({turned.rank}/{turned.of})", flags=flips, tone=tone)


def _spent(j: Judgement) -> list[d.Block]:
    known = [s for s in j.spent if (s.seconds, s.tied, s.constant) != (None, None, None)]
    if not known:
        return []
    cells = [
        [
            d.Cell(MISSING if s.seconds is None else f"{s.seconds:.2g}"),
            d.Cell(number(None if s.tied is None else 100 * s.tied, 1)),
            d.Cell(MISSING if s.constant is None else f"{s.constant:,}"),
            d.Cell(MISSING if s.nonfinite is None else f"{s.nonfinite:,}"),
        ]
        for s in known
    ]
    names = ("Seconds an image", "Tied pixels, %", "Constant maps", "Not finite")
    heads = list(map(d.Column, names))
    return [d.Grid(("Method",), heads, [d.Row(j.catalog.label(s.method)) for s in known], cells)]


def _rules(j: Judgement) -> list[str]:
    """How the page decides, in words."""
    lines = [
        f"Better, worse: the two-sided sign-flip p of the mean difference (the method minus the "
        f"other, the same images), corrected by Holm for all {j.counted:,} comparisons in which an "
        f"image differs, is below {ALPHA} on at least {MIN_IMAGES} images; else undecided, as all "
        f"are in which fewer than {j.needed:,} images differ. Values within "
        f"{ROUNDING:g} are equal. Intervals are 95%, paired bootstrap over images, not corrected. "
        "The share behind them: images on which the method is better, ties half.",
        "Of no use: not better than noise by that metric, though images enough differ.",
        "Sanity: passed where the exact 95% interval of the share of images on which the map "
        f"does what is asked lies above a half, failed where it lies below, on at least "
        f"{MIN_IMAGES} images. Similarity: 1 for the same map.",
        "A switch flips a verdict where one is lost, or where an undecided one becomes a verdict "
        "with p corrected for the number of switches too; that this threshold is crossed does not "
        "make the change itself sure. In brackets: the method's rank among all methods here, over "
        "the images that all have.",
    ]
    unsure = any(b.unsure for b in j.besides) or any(s.unsure for s in j.sane)
    return lines + [UNSURE] * unsure


def _records(j: Judgement) -> Iterator[dict[str, Any]]:
    """One record a number, `what` says of which kind."""
    empty = dict.fromkeys(FIELDS)
    for beside in j.besides:
        what = "control" if beside.control else "standard"
        more = {"what": what, "method": j.method, "units": beside.column.paper}
        yield d.record(FIELDS, empty, vars(beside), more, p_holm=beside.adjusted)
    for sane in j.sane:
        yield d.record(FIELDS, empty, asdict(sane), what="sanity")
    for turned in j.turned:
        flips = "; ".join(f"{o}: {before} -> {after}" for o, before, after in turned.flips)
        more = {"what": "switch", "method": j.method, "units": turned.column.paper, "flips": flips}
        yield d.record(FIELDS, empty, vars(turned), more)
    for spent in j.spent:
        yield d.record(FIELDS, empty, vars(spent), what="cost")
