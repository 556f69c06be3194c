"""Two runs side by side: what differs, what was left out, every comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from xaibench.analysis.compare import Compared, Comparison
from xaibench.analysis.footnotes import UNSURE
from xaibench.analysis.measure import Key
from xaibench.analysis.paired import ALPHA, EXACT, PATTERNS, RANDOM, smallest_p
from xaibench.analysis.stats import MIN_IMAGES
from xaibench.config.catalog import MEANS, Catalog
from xaibench.report import document as d
from xaibench.report import text as t

FIELDS = (
    "method target transform metric n mean_a mean_b difference low high unsure p p_holm differs "
    "left_out"
).split()
HEADS = ("n", "A", "B", "B - A", "95% interval", "p (Holm)")
NAMED = 8  # how many images or cells are listed before "and N more"


def page(compared: Compared) -> d.Document:
    """Return the page of a comparison."""
    runs = list(zip(compared.names, compared.headers, strict=True))
    differ = "; ".join(compared.differences)
    same = d.Paragraph("The runs are of the same identity.", "dim")
    first = d.Paragraph(f"The runs differ in {differ}.", "warn") if differ else same
    lines = [d.record(FIELDS, vars(c), c.key._asdict(), _printed(c)) for c in compared.comparisons]
    return d.Document(
        name="compare",
        formats=("md", "csv", "json"),
        title="Two runs side by side",
        lead=[f"{x}: {run} ({t.header_line(h)})" for x, (run, h) in zip("AB", runs, strict=True)],
        blocks=(d.Bullets((first, *d.small_print(_remarks(compared)))),),
        sections=[
            d.Section(x, [_grid(list(m), compared.catalog)])
            for x, m in groupby(compared.comparisons, _heading)
        ],
        fields=FIELDS,
        records=lines,
        content={
            "runs": [{"name": name, **asdict(header)} for name, header in runs],
            "differences": list(compared.differences),
            "interval": "95%, paired widened percentile bootstrap over images, of B minus A",
            "test": "two-sided sign-flip permutation test of per-image differences",
            "correction": f"Holm, over {len(compared.comparisons)} comparisons",
            "minimum_images": MIN_IMAGES,
            "images_in_both": compared.images,
            "images_only_a": list(compared.only_a),
            "images_only_b": list(compared.only_b),
            "cells_only_a": [key._asdict() for key in compared.cells_a],
            "cells_only_b": [key._asdict() for key in compared.cells_b],
            "cells_without_common_images": [key._asdict() for key in compared.cells_empty],
            "comparisons": lines,
        },
    )


def _heading(c: Comparison) -> str:
    return t.target_name(c.key.target, c.key.transform)


def _printed(c: Comparison) -> dict[str, Any]:
    return {"metric": c.column.paper, "p_holm": c.adjusted, "differs": c.differs}


def _remarks(compared: Compared) -> Iterator[str]:
    """What has to be said before the numbers: what differs, how to read the cells."""
    if any(line.startswith("protocol ") for line in compared.differences):
        yield (
            "A metric or method of the same name is defined by the protocol: a difference may be "
            "one of definition."
        )
    if compared.stopped:
        yield (
            "A run stopped when it was sure (--until), by its own scores: intervals and p-values "
            "here take the number of images as if it had been fixed before."
        )
    for title, a, b in compared.redefined:
        one, other = (MEANS.get(mean, MEANS["mean"]) for mean in (a, b))
        yield f"{title}, {one} in one run and {other} in the other, is not compared."
    yield from _reading(compared.comparisons)
    yield from _left_out(compared)


def _reading(comparisons: Sequence[Comparison]) -> Iterator[str]:
    total = len(comparisons)
    many = sum(c.differs for c in comparisons)
    most = max(c.n for c in comparisons)
    yield (
        "B - A: mean difference over the images that both have (variations averaged within an "
        "image), with its 95% paired bootstrap interval over images."
    )
    yield (
        "p: two-sided sign-flip permutation test of the per-image differences (every pattern to "
        f"{EXACT} differing images, {PATTERNS:,} random ones to {RANDOM:,}, the normal limit "
        f"beyond), corrected by Holm for the {t.count(total, 'comparison')} made here."
    )
    yield (
        f"{many:,} of {total:,} differ (*: adjusted p below {ALPHA} on at least {MIN_IMAGES} "
        "images)."
    )
    if any(c.unsure for c in comparisons):
        yield UNSURE
    if few := sum(c.n < MIN_IMAGES for c in comparisons):
        yield (
            f"{few:,} of {total:,} rest on fewer than {MIN_IMAGES} images: nothing is called "
            "different there."
        )
    if (smallest := smallest_p(most)) * total >= ALPHA:
        yield (
            f"With {t.count(most, 'image')} no p is below {smallest:.2g}, or "
            f"{min(1.0, smallest * total):.2g} after Holm for {total:,}: no comparison can "
            "stand out here, whatever it is."
        )


def _left_out(compared: Compared) -> Iterator[str]:
    for letter, images in (("A", compared.only_a), ("B", compared.only_b)):
        if images:
            yield f"Left out: {t.count(len(images), 'image')} only {letter} has: {_listed(images)}."
    if partial := [c.left_out for c in compared.comparisons if c.left_out]:
        yield (
            f"{t.count(len(partial), 'comparison')} leave out images without a "
            f"usable score in one of the runs (up to {max(partial):,}); n is what is left."
        )
    for whose, cells in (
        ("only A has", compared.cells_a),
        ("only B has", compared.cells_b),
        ("without an image that both could score", compared.cells_empty),
    ):
        if cells:
            listed = _listed([_cell(key) for key in cells])
            yield f"Not compared: {t.count(len(cells), 'cell')} {whose}: {listed}."


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _cell(key: Key) -> str:
    words = [key.method, key.metric]
    words += [key.target] * (key.target != "ground_truth")
    return " ".join(words + [key.transform] * (key.transform != "none"))


def _grid(members: Sequence[Comparison], catalog: Catalog) -> d.Grid:
    rows = [d.Row(catalog.label(c.key.method), "", c.column.header) for c in members]
    cells = [list(_words(c)) for c in members]
    return d.Grid(("Metric", "Method"), list(map(d.Column, HEADS)), rows, cells)


def _words(c: Comparison) -> Iterator[d.Cell]:
    digits = c.column.digits
    yield d.Cell(f"{c.n:,}")
    yield d.Cell(t.number(c.mean_a, digits))
    yield d.Cell(t.number(c.mean_b, digits))
    yield d.Cell(t.signed(c.difference, digits), tone="strong" if c.differs else "")
    yield d.Cell(t.interval(c.low, c.high, digits, c.unsure) or "-")
    least = 1 / PATTERNS  # what random patterns can resolve
    p = f"< {least:.0e}" if c.adjusted < least else f"{c.adjusted:.2g}"
    yield d.Cell(p + "*" * c.differs)
