"""An ablation in the terminal, and as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from xaibench.analysis.effects import Effect
from xaibench.report.ablation import (
    Ablation,
    Grid,
    Shown,
    grids,
    header_line,
    legend,
    printed_interval,
)
from xaibench.report.render.export import rounded
from xaibench.report.render.markdown import escape
from xaibench.store.atomic import write

FIELDS = (
    "method target transform metric units kind switch before after mean change low high n "
    "n_constant note"
).split()
_LABEL = 36  # longest label that is not folded
_KINDS = ("from", "switch", "all", "interaction")


def write_ablation(ablation: Ablation, out_dir: Path, console: Console) -> list[Path]:
    """Print the tables; write `ablation.md`, `.csv` and `.json` into `out_dir`, atomically."""
    _print(console, ablation)
    contents = {"md": to_markdown(ablation), "csv": to_csv(ablation), "json": to_json(ablation)}
    paths = []
    for kind, text in contents.items():
        path = out_dir / f"ablation.{kind}"
        write(path, partial(_save, text))
        paths.append(path)
    return paths


def _save(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8", newline="")


def records(ablation: Ablation) -> list[dict[str, Any]]:
    """One record an effect in printed units, keys `FIELDS`; within a kind the largest first.

    `units` is the metric's printed form, as in `tables.csv` (`average_drop_bar` is 100 - AD%).
    """
    values = {switch.name: switch for switch in ablation.listed}
    places = {key: i for i, key in enumerate(dict.fromkeys(_cell(e) for e in ablation.effects))}
    ordered = sorted(
        ablation.effects,
        key=lambda e: (places[_cell(e)], _KINDS.index(e.kind), -abs(e.change or 0.0)),
    )
    found = []
    for effect in ordered:
        column = ablation.column(effect.metric)
        switch = values.get(effect.switch)
        low, high = printed_interval(column, effect)
        found.append(
            {
                "method": effect.method,
                "target": effect.target,
                "transform": effect.transform,
                "metric": effect.metric,
                "units": column.paper,
                "kind": effect.kind,
                "switch": switch.name if switch else "",
                "before": switch.before if switch else "",
                "after": switch.after if switch else "",
                "mean": rounded(None if effect.mean is None else column.printed(effect.mean)),
                "change": rounded(None if effect.change is None else column.scale * effect.change),
                "low": rounded(low),
                "high": rounded(high),
                "n": effect.n,
                "n_constant": effect.n_constant,
                "note": effect.note,
            }
        )
    return found


def _cell(effect: Effect) -> tuple[str, str, str, str]:
    return effect.target, effect.transform, effect.metric, effect.method


def to_csv(ablation: Ablation) -> str:
    """One line an effect, empty where there is no number."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records(ablation))
    return file.getvalue()


def to_json(ablation: Ablation) -> str:
    """The same with what was compared."""
    content = {
        "from": ablation.before,
        "to": ablation.after,
        "model": ablation.model,
        "dataset": ablation.dataset,
        "images": ablation.images,
        "interval": "95%, paired percentile bootstrap over images",
        "transforms": list(dict.fromkeys(effect.transform for effect in ablation.effects)),
        "switches": [
            {"name": s.name, "before": s.before, "after": s.after} for s in ablation.listed
        ],
        "effects": records(ablation),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_markdown(ablation: Ablation) -> str:
    """All tables as one Markdown page."""
    parts = [f"# {escape(header_line(ablation))}", escape(legend(ablation))]
    for grid in grids(ablation):
        heads = ["", *map(escape, grid.heads)]
        lines = [_row(heads), _row(["---"] + ["---:"] * len(grid.heads))]
        for line in grid.lines:
            label = f"{escape(line.label)}<br>{escape(line.detail)}".removesuffix("<br>")
            lines.append(_row([label, *map(_markdown, line.cells)]))
        parts += [f"## {escape(grid.title)}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown(cell: Shown) -> str:
    text = f"**{escape(cell.text)}**" if cell.firm else escape(cell.text)
    return "<br>".join([f"{text} {escape(cell.interval)}".strip(), *cell.flags])


def _print(console: Console, ablation: Ablation) -> None:
    console.print(Text(header_line(ablation), style="bold"))
    console.print(Text(legend(ablation), style="dim"))
    for grid in grids(ablation):
        console.print()
        console.print(Text(grid.title, style="bold"))
        for part, beside in _parts(grid, console.width):
            console.print(_table(grid, part, beside))


def _parts(grid: Grid, width: int) -> list[tuple[list[int], bool]]:
    """Columns that fit beside each other, and whether intervals stand beside their number."""
    room = width - _label_width(grid)
    columns = list(range(len(grid.heads)))
    for beside in (True, False):
        if sum(_width(grid, c, beside) + 2 for c in columns) <= room:
            return [(columns, beside)]
    parts: list[list[int]] = [[]]
    for c in columns:
        if parts[-1] and sum(_width(grid, k, False) + 2 for k in [*parts[-1], c]) > room:
            parts.append([])
        parts[-1].append(c)
    return [(part, False) for part in parts]


def _label_width(grid: Grid) -> int:
    return min(_LABEL, max(len(text) for line in grid.lines for text in (line.label, line.detail)))


def _width(grid: Grid, column: int, beside: bool) -> int:
    texts = [text for line in grid.lines for text, _ in _lines(line.cells[column], beside)]
    return max(map(len, [grid.heads[column], *texts]))


def _lines(cell: Shown, beside: bool) -> list[tuple[str, str]]:
    style = "bold" if cell.firm else ""
    first = f"{cell.text} {cell.interval}".strip() if beside else cell.text
    second = "" if beside else cell.interval
    lines = [(first, style), (second, ""), *((flag, "yellow") for flag in cell.flags)]
    return [line for line in lines if line[0]]


def _table(grid: Grid, columns: list[int], beside: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False, show_edge=False)
    table.add_column("", width=_label_width(grid), overflow="fold")
    for column in columns:
        table.add_column(Text(grid.heads[column]), justify="right", overflow="fold")
    for line in grid.lines:
        label = Text(line.label)
        if line.detail:
            label.append(f"\n{line.detail}", style="dim")
        cells = [_lines(line.cells[c], beside) for c in columns]
        table.add_row(label, *(Text("\n").join(Text(t, style=s) for t, s in ls) for ls in cells))
    return table
