"""Agreement of methods: every two methods, the most alike first, and the heat map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

from xaibench.analysis.agreement import Agreement, Mean, Pair
from xaibench.report import document as d
from xaibench.report.text import count, interval, number, target_name

FIELDS = (
    "first second correlation correlation_low correlation_high overlap overlap_low overlap_high "
    "n n_constant"
).split()


def page(agreement: Agreement, pairs: Sequence[Pair]) -> d.Document:
    """Return the page of the pairs that `agreement` was summarised to."""
    lines = [_record(pair) for pair in pairs]
    return d.Document(
        name="agreement",
        formats=("md", "csv", "json"),
        title="Agreement of methods",
        blocks=d.small_print(explain(agreement, pairs)),
        sections=(d.Section("", (_grid(agreement, pairs), d.Figure("agreement.png", "heat map"))),),
        fields=FIELDS,
        records=lines,
        content={
            "target": agreement.target,
            "images": len(agreement.images),
            "top": agreement.top,
            "top_pixels": agreement.pixels,
            "interval": "95%, percentile bootstrap over images",
            "undefined": "a constant map: counted in n_constant and left out",
            "pairs": lines,
        },
    )


def explain(agreement: Agreement, pairs: Sequence[Pair]) -> list[str]:
    """Say what the numbers are, and what was left out of them."""
    images, constant = len(agreement.images), max(pair.n_constant for pair in pairs)
    shortest, top = min(pair.n for pair in pairs), f"{100 * agreement.top:g}%"
    lines = [
        f"{target_name(agreement.target).capitalize()}, {count(images, 'image')}. "
        "Mean [95% interval from a bootstrap over images] of "
        "Spearman's rank correlation between two methods' maps of the same image, and of the "
        f"share of common pixels among the top {top} of each ({agreement.pixels:,} "
        f"pixels, ties in row-major order); two unrelated maps share {top}.",
    ]
    if constant:
        lines.append(
            "With a constant map both are undefined: such images are counted and left out."
        )
    for method in map(agreement.catalog.method, agreement.methods):
        if method.fixed:
            lines.append(
                f"{method.title}'s map is {method.fixed}, so its top pixels are the first ones."
            )
    if shortest + constant < images:
        lines.append("n: images of which both methods have a usable map.")
    return lines


def _grid(agreement: Agreement, pairs: Sequence[Pair]) -> d.Grid:
    heads = ["Spearman", f"top {100 * agreement.top:g}% shared, %", "n", "constant"]
    label = agreement.catalog.label
    rows = [d.Row(f"{label(pair.first)} / {label(pair.second)}") for pair in pairs]
    cells = [
        [_cell(p.correlation, 1.0, 2), _cell(p.overlap, 100.0, 1)]
        + [d.Cell(f"{n:,}") for n in (p.n, p.n_constant)]
        for p in pairs
    ]
    return d.Grid(("Methods",), list(map(d.Column, heads)), rows, cells)


def _cell(value: Mean, scale: float, digits: int) -> d.Cell:
    mean, low, high = (None if math.isnan(v) else scale * v for v in astuple(value))
    return d.Cell(number(mean, digits), interval(low, high, digits))


def _record(pair: Pair) -> dict[str, Any]:
    values = [*astuple(pair.correlation), *astuple(pair.overlap)]
    known = [None if math.isnan(v) else v for v in values]
    cells = [pair.first, pair.second, *known, pair.n, pair.n_constant]
    return d.record(FIELDS, dict(zip(FIELDS, cells, strict=True)))
