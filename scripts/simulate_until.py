"""Runs that stop when they are sure, simulated: how often they are right, and what they save.

    python scripts/simulate_until.py > docs/until.md

Every number is drawn from seed 0. A world is a set of images with a value each; a run takes them in
a drawn order and stops at the first end of a block at which the interval is within the points.
`--runs` of them give a coverage of the interval for the mean of the set.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from xaibench.analysis.sequences import Seen, aim_of, interval, within
from xaibench.config.declared import of_protocol
from xaibench.datasets.base import block_size
from xaibench.published.tables import FORMS, METHODS, TABLES

ROOT = Path(__file__).parents[1]
STUDY, PHOTOGRAPHS = (ROOT / "results" / name / "scores.parquet" for name in ("published", "until"))
IMAGES = 50_000
Floats = np.ndarray
Make = Callable[[np.random.Generator, int], Floats]


class Run(NamedTuple):
    """Where a run stopped, and whether its interval holds the mean of the set."""

    images: int
    covers: bool


def _bernoulli(p: float) -> Make:
    return lambda rng, n: (rng.random(n) < p).astype(float)


def _rarely(rng: np.random.Generator, n: int) -> Floats:
    return np.where(rng.random(n) < 0.01, 1.0, 0.2)


WORLDS: dict[str, Make] = {
    "Bernoulli 0.02": _bernoulli(0.02),
    "Bernoulli 0.05": _bernoulli(0.05),
    "Bernoulli 0.2": _bernoulli(0.2),
    "Bernoulli 0.5": _bernoulli(0.5),
    "beta(0.5, 0.5)": lambda rng, n: rng.beta(0.5, 0.5, n),
    "beta(2, 8)": lambda rng, n: rng.beta(2.0, 8.0, n),
    "0.2, now and then 1": _rarely,
    "all 0": lambda rng, n: np.zeros(n),
}


def measured(scores: Path) -> dict[tuple[str, str], Floats]:
    """Values in [0, 1] by method and metric of a run, ground truth, untouched."""
    catalog = of_protocol({})
    frame = pd.read_parquet(scores)
    plain = frame[(frame["transform"] == "none") & (frame["target"] == "ground_truth")]
    found = {}
    for (method, metric), rows in plain.groupby(["method", "metric"]):
        bounds = catalog.metric(str(metric)).bounds
        if bounds and metric in FORMS and method in METHODS:
            values = rows["value"].dropna().to_numpy()
            found[str(method), str(metric)] = (values - bounds[0]) / (bounds[1] - bounds[0])
    return found


def stop(values: Floats, aim: float, cover: bool = True) -> Run:
    """One run over a set whose images are in the drawn order already."""
    block, ones = block_size(len(values)), np.ones(len(values))
    for end in (*range(block, len(values), block), len(values)):
        seen = Seen(values[:end], ones[:end], len(values))
        if end == len(values) or within(seen, aim):
            return Run(end, cover and _covers(seen, aim, float(values.mean())))
    raise AssertionError


def _covers(seen: Seen, aim: float, mean: float) -> bool:
    """Whether the interval holds a mean: that it left it out is asked first, which is quicker."""
    if not (seen.excludes(mean, aim) or seen.mirrored.excludes(1 - mean, aim)):
        return True
    low, high = interval(seen, aim)
    return low - 1e-12 <= mean <= high + 1e-12


def stopped(name: str, images: int, points: float, runs: int, seed: int) -> list[Run]:
    """Runs over one drawn set of a world, each in an order of its own."""
    rng = np.random.default_rng(seed)
    values = WORLDS[name](rng, images)
    return [stop(rng.permutation(values), aim_of(points, (0.0, 1.0))) for _ in range(runs)]


def coverage(runs: int) -> None:
    """The table of coverages."""
    cases = ((120, 10.0), (2_000, 5.0), (IMAGES, 3.0))
    heads = " | ".join(f"{n:,} images, {points:g} points" for n, points in cases)
    print(f"| values | {heads} |")
    print("|---|" + "---:|" * len(cases))
    pool = measured(STUDY)
    for (method, metric), values in pool.items():
        if method == "gradcam" and metric in ("insertion", "average_drop", "monotonicity"):
            WORLDS[f"{metric} of {method}"] = lambda rng, n, v=values: rng.choice(v, n)
    for name in WORLDS:
        cells = []
        for images, points in cases:
            found = stopped(name, images, points, runs, 0)
            share = np.mean([run.covers for run in found])
            median = int(np.median([run.images for run in found]))
            cells.append(f"{share:.1%} ({median:,})")
        print(f"| {name} | {' | '.join(cells)} |")


def saved(points: float, times: int) -> None:
    """The paper's Table 1 to so many points: images by cell, and what is left of the forwards."""
    photographs, catalog = measured(PHOTOGRAPHS), of_protocol({})
    pool = measured(STUDY) | photographs
    metrics = [m for m in TABLES[1].metrics if catalog.metric(m).bounds]
    print(f"| method | {' | '.join(catalog.metric(m).short for m in metrics)} |")
    print("|---|" + "---:|" * len(metrics))
    every = []
    for method in METHODS:
        cells = []
        for metric in metrics:
            if (method, metric) not in pool:
                cells.append("-")
                continue
            bounds = catalog.metric(metric).bounds
            assert bounds is not None
            found = []
            for seed in range(times):
                rng = np.random.default_rng(seed)
                values = rng.choice(pool[method, metric], IMAGES)
                found.append(stop(values, aim_of(points, bounds), cover=False).images)
            few = "*" * ((method, metric) not in photographs)
            cells.append(f"{int(np.median(found)):,}{few}")
            every.append(float(np.median(found)) / IMAGES)
        print(f"| {catalog.method(method).title} | {' | '.join(cells)} |")
    print(
        f"\nOver all cells {np.mean(every):.0%} of the {IMAGES:,} images (from {min(every):.1%} to "
        f"{max(every):.0%})."
    )


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    words = " ".join(sys.argv[1:])
    print("# Stopping when sure: how often it is right, and what it saves\n")
    print(
        f"Made by `python scripts/simulate_until.py{' ' + words if words else ''} > docs/until.md` "
        f"(seed 0; Python {platform.python_version()}, NumPy {np.__version__}). Do not edit.\n"
    )
    print(TEXT.format(runs=given.runs))
    coverage(given.runs)
    print(f"\n## What it saves: Table 1 of {IMAGES:,} images to one point\n")
    print(SAVED.format(times=given.times))
    saved(1.0, given.times)


TEXT = """\
`xaibench run --until POINTS` takes images in an order drawn by the seed and stops each mean of a
bounded metric at the first end of a block at which its interval is within so many points (0.01 in
natural units) of it. The interval is a confidence sequence for the mean over all images of the set,
by betting without replacement (Waudby-Smith & Ramdas 2024): it holds with 95% at all ends of blocks
at once, so that stopping by it does no harm, and with all images it is the mean itself. Its bets
are largest for the points asked for; whoever tries several values of --until and keeps one has as
many chances to be wrong. Images without a usable value count as the tested mean, which tells
nothing for or against it. IBA takes its statistics from the first images of the order, so that
these are not quite drawn like the rest. Where images are transformed, a group of five is one draw.

Claims take p-values of the same kind, of differences between cells on the images that all of them
have, as draws from the distribution that images come from; rules on ranks, simultaneous intervals
and changes under transforms have none and decide nothing on such runs.

## Coverage of the interval where runs stopped

Each cell: how often the interval held the mean of the set, of {runs:,} stopped runs, and the median
of the images they took. The last worlds are spreads that were measured: values of the embedded
study, drawn again until there are as many as the set has.
"""
SAVED = """\
Spreads as measured, with EfficientNet-Lite0 and the published protocol, on 120 photographs
(results/until) or, marked *, on the ten of the embedded study: the values of a cell, drawn again
until they fill the set, stopped within one point (0.01 for M). Each cell is the median
of {times} sets, in images; a block has 320. Ten photographs tell a spread to about a quarter, so
these are sizes and no promises. "-": nothing measured.
"""

if __name__ == "__main__":
    main()
