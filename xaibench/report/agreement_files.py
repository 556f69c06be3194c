"""Agreement of methods as a table: terminal, Markdown, CSV and JSON; the heat map is its own."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from xaibench.analysis.agreement import Agreement, Mean, Pair, summarise
from xaibench.analysis.columns import TARGET_NAMES
from xaibench.report.figures.heatmap import draw
from xaibench.report.render.export import rounded
from xaibench.report.render.markdown import escape
from xaibench.report.text import number
from xaibench.store.atomic import write as write_file

FIELDS = (
    "first,second,correlation,correlation_low,correlation_high,overlap,overlap_low,overlap_high,"
    "n,n_constant"
).split(",")


def write(found: Agreement, folder: Path, console: Console) -> list[Path]:
    """Print the table; write `agreement.md`, `.csv`, `.json`, `.png` and `.svg` into `folder`."""
    pairs = summarise(found)
    _print(console, found, pairs)
    written = []
    contents = {
        "md": _markdown(found, pairs),
        "csv": _csv(pairs),
        "json": json.dumps(_content(found, pairs), indent=2, allow_nan=False) + "\n",
    }
    for kind, text in contents.items():
        path = folder / f"agreement.{kind}"
        write_file(path, partial(_save, text))
        written.append(path)
    return written + draw(found, pairs, folder)


def _save(text: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8", newline="")


def explain(found: Agreement, pairs: list[Pair]) -> list[str]:
    """Say what the numbers are, and what was left out of them."""
    images, constant = len(found.images), max(pair.n_constant for pair in pairs)
    shortest = min(pair.n for pair in pairs)
    lines = [
        f"{TARGET_NAMES.get(found.target, found.target).capitalize()}, {images:,} "
        f"image{'s' * (images != 1)}. Mean [95% interval from a bootstrap over images] of "
        "Spearman's rank correlation between two methods' maps of the same image, and of the "
        f"share of common pixels among the top {100 * found.top:g}% of each ({found.pixels:,} "
        f"pixels, ties in row-major order); two unrelated maps share {100 * found.top:g}%.",
    ]
    if constant:
        lines.append(
            "With a constant map both are undefined: such images are counted and left out."
        )
    for method in map(found.catalog.method, found.methods):
        if method.fixed:
            lines.append(
                f"{method.title}'s map is {method.fixed}, so its top pixels are the first ones."
            )
    if shortest + constant < images:
        lines.append("n: images of which both methods have a usable map.")
    return lines


def _print(console: Console, found: Agreement, pairs: list[Pair]) -> None:
    console.print(Text("Agreement of methods", style="bold"))
    for line in explain(found, pairs):
        console.print(Text(line, style="dim"))
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("", overflow="fold")
    for head in _heads(found):
        grid.add_column(head, justify="right", overflow="fold")
    label = found.catalog.label
    for pair in pairs:
        grid.add_row(Text(f"{label(pair.first)} / {label(pair.second)}"), *map(Text, _cells(pair)))
    console.print(grid)


def _heads(found: Agreement) -> list[str]:
    return ["Spearman", f"top {100 * found.top:g}% shared, %", "n", "constant"]


def _cells(pair: Pair) -> list[str]:
    values = [_text(pair.correlation, 1.0, 2), _text(pair.overlap, 100.0, 1)]
    return [*values, f"{pair.n:,}", f"{pair.n_constant:,}"]


def _text(value: Mean, scale: float, digits: int) -> str:
    mean, low, high = (number(None if math.isnan(v) else scale * v, digits) for v in astuple(value))
    return mean if low == "-" else f"{mean} [{low}, {high}]"


def _markdown(found: Agreement, pairs: list[Pair]) -> str:
    lines = ["# Agreement of methods", *(escape(line) for line in explain(found, pairs))]
    table = [["Methods", "", *_heads(found)], ["---", "---"] + ["---:"] * 4]
    label = found.catalog.label
    table += [[label(p.first), label(p.second), *map(escape, _cells(p))] for p in pairs]
    rows = "\n".join(f"| {' | '.join(_cell(c) for c in row)} |" for row in table)
    return "\n\n".join([*lines, rows, "![heat map](agreement.png)"]) + "\n"


def _cell(text: str) -> str:
    return escape(text) if "(" in text else text  # a spec may hold anything


def _record(pair: Pair) -> dict[str, Any]:
    values = [*astuple(pair.correlation), *astuple(pair.overlap)]
    numbers = [None if math.isnan(v) else rounded(v) for v in values]
    cells = [pair.first, pair.second, *numbers, pair.n, pair.n_constant]
    return dict(zip(FIELDS, cells, strict=True))


def _csv(pairs: list[Pair]) -> str:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(_record, pairs))
    return file.getvalue()


def _content(found: Agreement, pairs: list[Pair]) -> dict[str, Any]:
    return {
        "target": found.target,
        "images": len(found.images),
        "top": found.top,
        "top_pixels": found.pixels,
        "interval": "95%, percentile bootstrap over images",
        "undefined": "a constant map: counted in n_constant and left out",
        "pairs": [_record(pair) for pair in pairs],
    }
