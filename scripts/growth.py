"""How seconds and memory of a run grow: with images, masks, input size, batch size and targets.

    python scripts/growth.py [--quick] [--out results/bench]

Each point is a command of its own, on augmented photographs with the embedded network: its wall
time, and the most memory that its processes hold together. A straight line is fitted to each: its
height at 0 is what is fixed, start-up above all; its largest residual says how straight it is.
Writes OUT/growth.md and OUT/growth.png.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.photographs import augmented
from benchmarks.process import COMMAND, Taken, take
from benchmarks.setting import MODEL
from matplotlib.figure import Figure

TARGETS = ("ground_truth", "predicted", "least_probable")
SIDES = """
from dataclasses import replace
from xaibench.models.load import load_model

def at(side):
    found = load_model({model!r})
    return replace(found, input=replace(found.input, resize=side, crop=side))
"""


@dataclass(frozen=True)
class Line:
    """One thing that grows: its values, and the options of a run at each of them."""

    name: str
    values: Sequence[int]
    options: str


LINES = (
    Line("images", (20, 60, 100, 160), "--method gradcam --limit {}"),
    Line("masks an image (RISE, 8 images)", (100, 300, 500, 800), "--method rise(n_masks={})"),
    Line("pixels of the input (60 images)", (112, 224, 320, 448), "--method gradcam --model {}"),
    Line("inputs a pass (60 images)", (16, 32, 64, 128), "--method gradcam --batch-size {}"),
    Line("targets (60 images)", (1, 2, 3), "--method gradcam --target {}"),
)


def words(line: Line, value: int, scratch: Path) -> list[str]:
    """The command of a point."""
    metric, limit, told = "insertion(rows_per_step=28)", "60", str(value)
    model = MODEL
    if line.name.startswith("masks"):
        metric, limit = "sparseness", "8"
    elif line.name.startswith("pixels"):
        metric, model, told = "average_drop", "", f"file:{scratch / 'sides.py'}:side_{value}"
    elif line.name.startswith("targets"):
        told = ",".join(TARGETS[:value])
    found = [*COMMAND, "run", "--data", str(scratch / "photographs"), "--metric", metric]
    found += [word.format(told) for word in line.options.split()]
    found += [] if "--limit" in line.options else ["--limit", limit]
    found += ["--model", model] if model else []
    return [*found, "--out", str(scratch / f"{line.name.split()[0]}-{value}")]


def counted(line: Line, value: int) -> int:
    """What stands on the axis: the pixels of a side's square."""
    return value**2 if line.name.startswith("pixels") else value


def measured(lines: Sequence[Line], quick: bool) -> dict[str, dict[int, Taken]]:
    """What each point takes, by line."""
    found: dict[str, dict[int, Taken]] = {}
    with tempfile.TemporaryDirectory(prefix="xaibench-growth-") as folder:
        scratch = Path(folder)
        augmented(scratch / "photographs", 160)
        sides = [f"def side_{v}():\n    return at({v})\n" for v in LINES[2].values]
        (scratch / "sides.py").write_text(SIDES.format(model=MODEL) + "\n".join(sides))
        for line in lines:
            points = {}
            for value in line.values[:2] if quick else line.values:
                taken = take(words(line, value, scratch))
                points[counted(line, value)] = taken
                print(f"{line.name} {value}: {taken.seconds:.1f} s, {taken.memory / 1e9:.2f} GB")
            found[line.name] = points
    return found


def fitted(points: dict[int, Taken], what: str) -> tuple[float, float, float]:
    """Slope, height at 0 and largest residual (of the largest value) of the line through points."""
    x = np.array(list(points), dtype=float)
    y = np.array([getattr(taken, what) for taken in points.values()], dtype=float)
    slope, height = np.polyfit(x, y, 1)
    return slope, height, float(np.abs(y - slope * x - height).max() / y.max())


def page(found: dict[str, dict[int, Taken]]) -> str:
    """The table of all points and lines, in Markdown."""
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    rows = [
        "# How a run grows",
        "",
        f"Made by `python scripts/growth.py` on {date} ({platform.machine()}, Python "
        f"{platform.python_version()}), each point once: seconds and gigabytes of a command from "
        "its start to its end. The line is fitted to the points; in brackets how far the farthest "
        "is from it, as a share of the largest.",
        "",
        "| what grows | points: seconds (GB) | seconds | gigabytes |",
        "|---|---|---|---|",
    ]
    for name, points in found.items():
        held = ", ".join(
            f"{at:,}: {taken.seconds:.1f} ({taken.memory / 1e9:.2f})"
            for at, taken in points.items()
        )
        lines = []
        for what, scale in (("seconds", 1), ("memory", 1e9)):
            slope, height, off = fitted(points, what)
            lines.append(f"{height / scale:.2f} + {slope / scale:.2g} x ({off:.0%})")
        rows.append(f"| {name} | {held} | {' | '.join(lines)} |")
    return "\n".join([*rows, "", "![Seconds and memory](growth.png)", ""])


def draw(found: dict[str, dict[int, Taken]], path: Path) -> None:
    """Seconds above, gigabytes below, a column a line."""
    figure = Figure(figsize=(2.6 * len(found), 4.8), layout="constrained")
    axes: Any = figure.subplots(2, len(found), sharex="col", squeeze=False)
    for column, (name, points) in zip(axes.T, found.items(), strict=True):
        for axis, what, scale in zip(column, ("seconds", "memory"), (1, 1e9), strict=True):
            x = np.array(list(points))
            y = [getattr(taken, what) / scale for taken in points.values()]
            slope, height, _ = fitted(points, what)
            ends = np.array([0, x.max()])
            axis.plot(ends, (slope * ends + height) / scale, color="0.7", linewidth=1)
            axis.plot(x, y, "o", color="tab:blue", markersize=4)
            axis.set_ylim(0, 1.1 * max(y))
            axis.set_xlim(0, 1.05 * x.max())
            axis.spines[["top", "right"]].set_visible(False)
            axis.ticklabel_format(style="plain")
            axis.locator_params(axis="x", nbins=4)
        column[1].set_xlabel(name.replace(" (", "\n("))
    axes[0, 0].set_ylabel("seconds")
    axes[1, 0].set_ylabel("gigabytes")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two points a line")
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    asked = parser.parse_args()
    found = measured(LINES, asked.quick)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "growth.md").write_text(page(found))
    draw(found, asked.out / "growth.png")


if __name__ == "__main__":
    main()
