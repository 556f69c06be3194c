"""A comparison of two runs in the terminal, in Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from xaibench.analysis.columns import TARGET_NAMES
from xaibench.analysis.compare import Compared, Comparison
from xaibench.analysis.footnotes import UNSURE
from xaibench.analysis.header import Header
from xaibench.analysis.measure import Key
from xaibench.analysis.paired import ALPHA, EXACT, PATTERNS, RANDOM, smallest_p
from xaibench.analysis.stats import MIN_IMAGES
from xaibench.config.catalog import MEANS, Catalog
from xaibench.report.render.export import rounded
from xaibench.report.render.markdown import escape
from xaibench.report.text import MISSING, header_line, number, signed

FIELDS = (
    "method target transform metric n mean_a mean_b difference low high unsure p p_holm differs "
    "left_out"
).split()
HEADS = ("Metric", "Method", "n", "A", "B", "B - A", "95% interval", "p (Holm)")
NAMED = 8  # how many images or cells are listed before "and N more"


def lines_above(compared: Compared) -> list[str]:
    """What has to be said before the numbers: which runs, what differs, how to read the cells."""
    lines = [
        f"{letter}: {name} ({header_line(header)})"
        for letter, name, header in zip("AB", compared.names, compared.headers, strict=True)
    ]
    differ = "; ".join(compared.differences)
    lines.append(
        f"The runs differ in {differ}." if differ else "The runs are of the same identity."
    )
    if any(line.startswith("protocol ") for line in compared.differences):
        lines.append(
            "A metric or method of the same name is defined by the protocol: a difference may be "
            "one of definition."
        )
    for title, a, b in compared.redefined:
        lines.append(f"{title}, {_row(a)} in one run and {_row(b)} in the other, is not compared.")
    return [*lines, *_reading(compared.comparisons), *_left_out(compared)]


def _row(mean: str) -> str:
    return MEANS.get(mean, MEANS["mean"])


def _reading(comparisons: Sequence[Comparison]) -> list[str]:
    count = len(comparisons)
    many = sum(c.differs for c in comparisons)
    most = max(c.n for c in comparisons)
    lines = [
        "B - A: mean difference over the images that both have (variations averaged within an "
        "image), with its 95% paired bootstrap interval over images.",
        "p: two-sided sign-flip permutation test of the per-image differences (every pattern to "
        f"{EXACT} differing images, {PATTERNS:,} random ones to {RANDOM:,}, the normal limit "
        f"beyond), corrected by Holm for the {count:,} comparison{'s' * (count > 1)} made here.",
        f"{many:,} of {count:,} differ (*: adjusted p below {ALPHA} on at least {MIN_IMAGES} "
        "images).",
    ]
    lines += [UNSURE] if any(c.unsure for c in comparisons) else []
    few = sum(c.n < MIN_IMAGES for c in comparisons)
    if few:
        lines.append(
            f"{few:,} of {count:,} rest on fewer than {MIN_IMAGES} images: nothing is called "
            "different there."
        )
    if smallest_p(most) * count >= ALPHA:
        lines.append(
            f"With {most} image{'s' * (most > 1)} no p is below {smallest_p(most):.2g}, or "
            f"{min(1.0, smallest_p(most) * count):.2g} after Holm for {count:,}: no comparison can "
            "stand out here, whatever it is."
        )
    return lines


def _left_out(compared: Compared) -> list[str]:
    lines = []
    for letter, images in (("A", compared.only_a), ("B", compared.only_b)):
        if images:
            plural = "s" * (len(images) > 1)
            lines.append(
                f"Left out: {len(images):,} image{plural} only {letter} has: {_listed(images)}."
            )
    partial = [c for c in compared.comparisons if c.left_out]
    if partial:
        lost = max(c.left_out for c in partial)
        lines.append(
            f"{len(partial):,} comparison{'s' * (len(partial) > 1)} leave out images without a "
            f"usable score in one of the runs (up to {lost:,}); n is what is left."
        )
    for whose, cells in (
        ("only A has", compared.cells_a),
        ("only B has", compared.cells_b),
        ("without an image that both could score", compared.cells_empty),
    ):
        if cells:
            lines.append(
                f"Not compared: {len(cells):,} cell{'s' * (len(cells) > 1)} {whose}: "
                f"{_listed([_cell(key) for key in cells])}."
            )
    return lines


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _cell(key: Key) -> str:
    words = [key.method, key.metric]
    words += [key.target] * (key.target != "ground_truth")
    return " ".join(words + [key.transform] * (key.transform != "none"))


def _groups(compared: Compared) -> list[tuple[str, list[Comparison]]]:
    """Comparisons by target and transform, with what stands above each group."""
    found = []
    for (target, transform), members in groupby(
        compared.comparisons, key=lambda c: (c.key.target, c.key.transform)
    ):
        words = [TARGET_NAMES.get(target, target)] + [transform] * (transform != "none")
        found.append((", ".join(words), list(members)))
    return found


def _words(c: Comparison, first: bool, catalog: Catalog) -> list[str]:
    digits = c.column.digits
    interval = MISSING
    if c.low is not None and c.high is not None:
        interval = f"[{number(c.low, digits)}, {number(c.high, digits)}]" + "!" * c.unsure
    return [
        c.column.header if first else "",
        catalog.label(c.key.method),
        f"{c.n:,}",
        number(c.mean_a, digits),
        number(c.mean_b, digits),
        signed(c.difference, digits),
        interval,
        p_text(c.adjusted) + "*" * c.differs,
    ]


def p_text(p: float) -> str:
    """A p-value with two digits, `< 1e-05` below what random patterns can resolve."""
    return f"< {1 / PATTERNS:.0e}" if p < 1 / PATTERNS else f"{p:.2g}"


def _rows(members: list[Comparison], catalog: Catalog) -> list[tuple[Comparison, list[str]]]:
    rows, last = [], ""
    for c in members:
        rows.append((c, _words(c, c.key.metric != last, catalog)))
        last = c.key.metric
    return rows


def print_comparison(console: Console, compared: Compared) -> None:
    """Print what was compared, how, and every comparison."""
    head, *rest = lines_above(compared)
    console.print(Text(head, style="bold"))
    console.print(Text(rest[0], style="bold"))
    for line in rest[1:]:
        console.print(Text(line, style="yellow" if line.startswith("The runs differ") else "dim"))
    for title, members in _groups(compared):
        console.print()
        grid = Grid(
            title=title,
            title_justify="left",
            title_style="italic",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            pad_edge=False,
            show_edge=False,
        )
        for position, name in enumerate(HEADS):
            grid.add_column(name, justify="left" if position < 2 else "right", overflow="fold")
        for c, words in _rows(members, compared.catalog):
            grid.add_row(*(Text(word) for word in words), style="bold" if c.differs else "")
        console.print(grid)


def to_markdown(compared: Compared) -> str:
    """Return the comparison as a Markdown page."""
    parts = ["# Two runs side by side", "\n".join(f"- {escape(x)}" for x in lines_above(compared))]
    for title, members in _groups(compared):
        lines = [f"| {' | '.join(HEADS)} |", "| --- | --- |" + " ---: |" * (len(HEADS) - 2)]
        for c, words in _rows(members, compared.catalog):
            cells = [escape(word) for word in words]
            cells[5] = f"**{cells[5]}**" if c.differs else cells[5]
            lines.append(f"| {' | '.join(cells)} |")
        parts += [f"## {escape(title)}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def records(compared: Compared) -> list[dict[str, Any]]:
    """Return one record a comparison with the keys `FIELDS`; `metric` is the paper's key."""
    return [
        c.key._asdict()
        | {
            "metric": c.column.paper,
            "n": c.n,
            "mean_a": rounded(c.mean_a),
            "mean_b": rounded(c.mean_b),
            "difference": rounded(c.difference),
            "low": rounded(c.low),
            "high": rounded(c.high),
            "unsure": c.unsure,
            "p": rounded(c.p),
            "p_holm": rounded(c.adjusted),
            "differs": c.differs,
            "left_out": c.left_out,
        }
        for c in compared.comparisons
    ]


def to_csv(compared: Compared) -> str:
    """Return one line a comparison, empty where there is no number."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records(compared))
    return file.getvalue()


def to_json(compared: Compared) -> str:
    """Return the comparison with everything that was left out, by name."""
    content = {
        "runs": [
            _run(name, header)
            for name, header in zip(compared.names, compared.headers, strict=True)
        ],
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
        "comparisons": records(compared),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _run(name: str, header: Header) -> dict[str, Any]:
    return {"name": name, **asdict(header)}
