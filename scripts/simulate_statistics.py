"""How often intervals hold the mean, and how often claims hold where they should not.

    python scripts/simulate_statistics.py > docs/statistics.md

Every number is simulated from seed 0. A claim's null: `noise`, every cell of every image from one
distribution of its metric, images alike among methods (correlation 0.5); `edge`, the data at which
the rule is nearest to holding while the claim is false (its largest errors). Its power: the
paper's printed means with the noise of images around them.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from scipy.special import ndtr

from xaibench.analysis.claims.check import CLAIMS
from xaibench.analysis.claims.claim import Part
from xaibench.analysis.claims.evidence import (
    CAM,
    FAILS,
    GRADIENT,
    HOLDS,
    PERTURBATION,
    Evidence,
    from_cells,
    from_paper,
)
from xaibench.analysis.claims.spread import RANGES
from xaibench.analysis.measure import Group, Key
from xaibench.analysis.stats import bootstrap_intervals, unsure, wilson_intervals
from xaibench.config.declared import of_protocol
from xaibench.published.tables import FORMS, METHODS, TABLES

IMAGES = (10, 20, 50, 120)
SHARED = 0.5  # correlation between the cells of an image
RESIDUALS = of_protocol({"metrics": {"completeness": {"test": "residual"}}})
Floats = np.ndarray
Draw = Callable[[np.random.Generator, int], tuple[Floats, float]]


def _rows(p: float, rows: int, alike: float) -> Draw:
    """Sums of `rows` 0/1 values an image, whose correlation within an image is `alike`."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Floats, float]:
        own, common = rng.random((n, rows)) < p, rng.random((n, 1)) < p
        return np.where(rng.random((n, 1)) < alike, common, own).sum(axis=1).astype(float), p

    return draw


KINDS: dict[str, tuple[int, bool, Draw]] = {  # rows an image, binary, values
    "normal": (1, False, lambda rng, n: (rng.normal(size=n), 0.0)),
    "beta(0.5, 0.5)": (1, False, lambda rng, n: (rng.beta(0.5, 0.5, n), 0.5)),
    "Bernoulli 0.05, bootstrap": (1, False, _rows(0.05, 1, 0)),
    "Bernoulli 0.05": (1, True, _rows(0.05, 1, 0)),
    "Bernoulli 0.5": (1, True, _rows(0.5, 1, 0)),
    "four rows, 0.05, independent": (4, True, _rows(0.05, 4, 0)),
    "four rows, 0.05, half alike": (4, True, _rows(0.05, 4, 0.5)),
    "four rows, 0.05, all alike": (4, True, _rows(0.05, 4, 1)),
    "four rows, 0.3, half alike": (4, True, _rows(0.3, 4, 0.5)),
}


def coverage(kind: str, n: int, runs: int, seed: int = 0) -> tuple[float, float, float]:
    """Shares of intervals that hold the mean, that are marked, and that neither hold nor are."""
    rows, binary, draw = KINDS[kind]
    rng = np.random.default_rng([seed, n])
    counts = np.full((n, 1), float(rows))
    inside, marked = np.zeros(runs, dtype=bool), np.zeros(runs, dtype=bool)
    for run in range(runs):
        sums, truth = draw(rng, n)
        column = sums[:, None]
        low, high = (
            wilson_intervals(column, counts)
            if binary
            else bootstrap_intervals(column, counts, seed=run)
        )[:, 0]
        inside[run] = low - 1e-9 <= truth <= high + 1e-9
        marked[run] = unsure(column, counts, binary)[0]
    return float(inside.mean()), float(marked.mean()), float((~inside & ~marked).mean())


# Cells that rules ask for, and what their values are like: centre and spread, natural units.
LIKE = {
    "average_drop": (0.4, 0.3),
    "average_gain": (0.2, 0.2),
    "insertion": (0.5, 0.3),
    "deletion": (0.2, 0.15),
    "monotonicity": (0.3, 0.5),
    "max_sensitivity": (0.93, 0.05),
    "avg_sensitivity": (0.92, 0.05),
    "sparseness": (0.4, 0.1),
    "complexity": (10.4, 0.2),
    "effective_complexity": (49000.0, 2000.0),
    "completeness": (0.3, 0.2),
}
FIDELITY, MOVED_METRICS = TABLES[1].metrics, TABLES[4].metrics
ROBUSTNESS = TABLES[3].metrics[:-1]


def keys_of(part: str) -> list[Key]:
    """The cells that a part of a claim asks for."""
    targets, transforms, metrics = ("ground_truth",), ("none",), FIDELITY
    if part in SHIFTS:
        transforms, metrics = ("none", *TABLES[4].transforms), MOVED_METRICS
    elif part in ("truth_is_optimal", "predicted_slightly_lower", "least_probable_apart"):
        targets, metrics = TABLES[2].targets, MOVED_METRICS
    elif part.startswith("robustness"):
        metrics = ROBUSTNESS
    elif part == "completeness_unmet":
        metrics = ("completeness",)
    return [Key(m, t, x, k) for m in METHODS for t in targets for x in transforms for k in metrics]


SHIFTS = (
    "all_sensitive gradient_more_sensitive metrics_sensitive ag_most_stable i_falls_d_rises "
    "less_in_crop cam_more_stable"
).split()
CORRELATED = ("i_d_positive", "cam_ag_ad", "i_positive", "d_less_than_i")


@dataclass
class World:
    """Values (n,) of cells in natural units, and the probability of the class (n,)."""

    cells: dict[Key, Floats]
    probability: Floats

    def evidence(self) -> Evidence:
        """As the rules read it."""
        n = len(self.probability)
        place, ones = np.arange(n, dtype=np.int64), np.ones(n)
        groups = {k: Group(place, v, ones, 0, {}, ("x",)) for k, v in self.cells.items()}
        return from_cells(groups, n, RESIDUALS, probability=self.probability)

    def shift(self, points: float, **where: str | Sequence[str]) -> None:
        """Add points, in the paper's units, to the cells whose key has one of these names."""
        lists = {k: (v,) if isinstance(v, str) else v for k, v in where.items()}
        for key in self.cells:
            if all(getattr(key, name) in names for name, names in lists.items()):
                self.cells[key] = self.cells[key] + points / FORMS[key.metric].scale


def noise(part: str, rng: np.random.Generator, n: int, truth: Evidence | None = None) -> World:
    """Every cell from the one distribution of its metric; AI is 0 or 1, the rest normal.

    With `truth`, around the means that this evidence prints, and rising with the probability.
    """
    keys = [key for key in keys_of(part) if truth is None or truth.has(key)]
    shared, own = rng.normal(size=(n, 1)), rng.normal(size=(n, len(keys)))
    z = np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own
    probability = rng.random(n)
    cells = {}
    for i, key in enumerate(keys):
        column = FORMS[key.metric]
        centre, spread = LIKE.get(key.metric, (0.3, 0.0))
        if truth is not None:
            centre = (truth.printed[key] - column.offset) / column.scale
        if key.metric == "average_increase":
            cells[key] = (ndtr(z[:, i]) < centre).astype(float)
        else:
            cells[key] = centre + spread * z[:, i]
            if truth is not None and key.metric in GOES_WITH:
                rise = GOES_WITH[key.metric] * spread
                cells[key] = cells[key] + rise * (probability - 0.5)
    return World(cells, probability)


GOES_WITH = {"insertion": 4.0, "deletion": 2.0, "average_gain": 4.0, "average_drop": -4.0}
"""Spreads that a metric rises by from probability 0 to 1, as Figure 2 has it."""


def edge(part: str, rng: np.random.Generator, n: int) -> World:
    """The claim false by the least: all that helps it is far on its side, the rest at the edge."""
    world = noise(part, rng, n)
    EDGES[part](world)
    return world


FAR = {m: 1.5 if m == "monotonicity" else 150.0 for m in FIDELITY}
CLEAR, EDGE = FIDELITY[:3], FIDELITY[3:]


def _far(world: World, metrics: Sequence[str], sign: int, **where: str | Sequence[str]) -> None:
    for metric in metrics:
        world.shift(sign * FAR[metric], metric=metric, **where)


def _weak(world: World) -> None:
    _far(world, CLEAR, -1, method=GRADIENT)
    _far(world, EDGE, -1, method=GRADIENT[1:])  # one pair is level: Gradient and LIME
    _far(world, EDGE, 1, method=[m for m in (*CAM, *PERTURBATION) if m != "lime"])


def _leads(whose: Sequence[str]) -> Callable[[World], None]:
    def change(world: World) -> None:
        _far(world, CLEAR, 1, method=whose)
        _far(world, EDGE, -1, method=GRADIENT)

    return change


def _not_fooled(world: World) -> None:
    _far(world, ("average_gain",), -1, method="fakecam")
    _far(world, ("insertion", "deletion"), 1, method=CAM[1:])


def _top_two(world: World) -> None:
    _far(world, ("average_increase", "average_drop"), 1, method="fakecam")
    _far(world, ("monotonicity",), 1, method="rise")
    rest = [m for m in METHODS if m not in ("fakecam", "rise", "iba")]
    _far(world, ("monotonicity",), -1, method=rest)


def _follow(metric: str, sign: int) -> Callable[[World], None]:
    def change(world: World) -> None:
        for key in world.cells:
            if key.metric == metric:
                world.cells[key] = world.cells[key] + sign * 3 * world.probability

    return change


def _both_follow(world: World) -> None:
    for key in world.cells:
        if key.metric in ("insertion", "deletion"):
            world.cells[key] = world.cells[key] + LIKE[key.metric][1] * 3 * world.probability


def _spread(
    share: float, metrics: Sequence[str], methods: Sequence[str]
) -> Callable[[World], None]:
    """Methods in two equal halves whose means are `share` of the range apart."""

    def change(world: World) -> None:
        for metric in metrics:
            world.shift(share * RANGES[metric], metric=metric, method=methods[::2])

    return change


def _extremes(world: World) -> None:
    for metric in ROBUSTNESS:
        far = 1.0 if metric in ROBUSTNESS[:2] else 0.1
        world.shift(far * RANGES[metric], metric=metric, method="lime")


def _residuals(world: World) -> None:
    for key in world.cells:
        passes = ndtr(2 * (world.cells[key] - 0.3) / 0.4) < 0.95
        world.cells[key] = np.where(passes & (key.method == "ig"), 0.0, 1.0)


def _optimal(world: World) -> None:
    world.shift(150, metric=MOVED_METRICS[:2], target="ground_truth")
    world.shift(-150, metric=MOVED_METRICS[2:], target="least_probable")


def _slightly(world: World) -> None:
    world.shift(-2.5, metric=MOVED_METRICS[:2], target="predicted")
    world.shift(-5, metric=MOVED_METRICS[2:], target="predicted")


def _least(world: World) -> None:
    world.shift(150, metric=("average_drop", "deletion"), target="least_probable")
    world.shift(-150, metric=("average_gain", "insertion"), target="least_probable")


def _moved(points: float, **where: str | Sequence[str]) -> Callable[[World], None]:
    return lambda world: world.shift(points, transform=TABLES[4].transforms, **where)


def _each(*changes: Callable[[World], None]) -> Callable[[World], None]:
    def change(world: World) -> None:
        for one in changes:
            one(world)

    return change


_OTHERS = [m for m in METHODS if m != "lime"]
_STEADY = ("average_gain", "deletion")
EDGES: dict[str, Callable[[World], None]] = {
    "gradient_weak": _weak,
    "cam_best": _leads(CAM),
    "fake_cam_best": _leads(("fakecam",)),
    "ag_i_not_fooled": _not_fooled,
    "d_not_fooled": _not_fooled,
    "i_d_positive": _follow("insertion", 1),
    "i_positive": lambda world: None,
    "cam_ag_ad": _follow("average_gain", 1),
    "d_less_than_i": _both_follow,
    "fidelity_indistinct": _spread(0.1, FIDELITY[:3], METHODS),
    "fidelity_indistinct_without": _spread(
        0.1, FIDELITY[:3], [m for m in METHODS if m not in GRADIENT]
    ),
    "robustness_indistinct": _spread(0.1, ROBUSTNESS[:3], METHODS),
    "robustness_extremes": _extremes,
    "fake_top_two": _top_two,
    "completeness_unmet": _residuals,
    "truth_is_optimal": _optimal,
    "predicted_slightly_lower": _slightly,
    "least_probable_apart": _least,
    "all_sensitive": _each(_moved(150, method=_OTHERS), _moved(5, method="lime")),
    "gradient_more_sensitive": _each(
        _moved(20, method=GRADIENT), _moved(20, method=CAM), _moved(5, method=PERTURBATION)
    ),
    "cam_more_stable": _each(_moved(20, method=GRADIENT), _moved(20, method=CAM)),
    "metrics_sensitive": _each(
        _moved(150, metric=MOVED_METRICS[:2]), _moved(5, metric=MOVED_METRICS[2:])
    ),
    "ag_most_stable": _each(
        _moved(150, metric=[m for m in MOVED_METRICS if m not in _STEADY]),
        _moved(5, metric=_STEADY),
    ),
    "i_falls_d_rises": _each(
        _moved(150, metric="deletion"),
        lambda world: world.shift(-150, metric="insertion", transform=("mixup", "resize")),
    ),
    "less_in_crop": _each(
        _moved(-50, metric="insertion"),
        _moved(50, metric="deletion"),
        lambda world: world.shift(45, metric="insertion", transform="crop"),
        lambda world: world.shift(-50, metric="deletion", transform="crop"),
        lambda world: world.shift(45, metric="insertion", transform="mixup"),
    ),
}
TRUE_ON_NOISE = ("fidelity_indistinct", "fidelity_indistinct_without", "robustness_indistinct")


def rates(part: Part, n: int, runs: int, world: Callable[..., World], seed: int = 0) -> Floats:
    """Shares of `runs` simulated worlds in which the part holds and in which it fails: (2,)."""
    rng = np.random.default_rng([seed, n])
    found = [part.check(world(part.key, rng, n).evidence()).verdict for _ in range(runs)]
    return np.array([found.count(HOLDS), found.count(FAILS)]) / runs


def of_printed(part: str, rng: np.random.Generator, n: int) -> World:
    """Images around the paper's printed means."""
    return noise(part, rng, n, PAPER)


PAPER = from_paper()


def page(runs: int, coverage_runs: int) -> str:
    """The tables as a Markdown page."""
    heads = " | ".join(f"n = {n}" for n in IMAGES)
    lines = [
        PROSE.format(
            python=platform.python_version(),
            numpy=np.__version__,
            scipy=scipy.__version__,
            runs=runs,
            coverage_runs=coverage_runs,
        ),
        "## Coverage of the 95% intervals\n",
        f"| values | {heads} |\n|---|{'---:|' * len(IMAGES)}",
    ]
    for kind in KINDS:
        cells = []
        for n in IMAGES:
            held, marked, missed = coverage(kind, n, coverage_runs)
            mark = f" ({marked:.1%} marked; {missed:.1%} neither)" if marked else ""
            cells.append(f"{held:.1%}{mark}")
        lines.append(f"| {kind} | {' | '.join(cells)} |")
        _said(kind)
    lines += [
        "\n## False positives of the claims' rules\n",
        f"| claim | null | {heads} |\n|---|---|{'---:|' * len(IMAGES)}",
    ]
    parts = [part for claim in CLAIMS for part in claim.parts]
    for part in parts:
        for name, world in (("noise", noise), ("edge", edge)):
            if name == "noise" and part.key in (*TRUE_ON_NOISE, "completeness_unmet"):
                continue
            found = [rates(part, n, runs, world)[0] for n in IMAGES]
            lines.append(f"| {part.key} | {name} | {' | '.join(f'{x:.1%}' for x in found)} |")
        _said(part.key)
    lines += [
        "\n## Power: the verdict on the paper's printed means\n",
        f"Each cell: holds / fails.\n\n| claim | {heads} | n = 1,000 |\n"
        f"|---|{'---:|' * (len(IMAGES) + 1)}",
    ]
    for part in parts:
        if part.key == "completeness_unmet":
            continue
        many = [rates(part, n, max(20, runs // 20), of_printed) for n in (*IMAGES, 1000)]
        lines.append(f"| {part.key} | {' | '.join(f'{a:.0%} / {b:.0%}' for a, b in many)} |")
        _said(part.key)
    return "\n".join(lines) + "\n"


def _said(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


PROSE = """# What the statistics of the report can and cannot do

Made by `python scripts/simulate_statistics.py --runs {runs} --coverage-runs {coverage_runs} >
docs/statistics.md` (seed 0; runs a false-positive rate and a coverage; Python {python}, NumPy
{numpy}, SciPy {scipy}). Do not edit.

Everything is over images. An interval is 95%, two-sided. Metrics that can only be 0 or 1 take
Wilson's, the others a bootstrap whose percentiles are widened as Student's t is wider than the
normal. An interval is marked where it stands on fewer than 10 images, or is a bootstrap of values
of which fewer than 5 differ from the commonest: rare values may be missing from the sample, and a
bootstrap only knows the sample. The four rows of an image (Table 4) are not independent: Wilson's
n is then the number of independent rows that would give the variance seen between images, and at
least the number of images.

A claim's verdict takes a one-sided p of at most 2.5% for it, or for its contrary. The p-values
are those of paired t-tests over images, joined by the rule: all of several, the largest; at least
k of m, Bonferroni over the m - k + 1 largest. Claims that nothing differs must hold within a
margin. A t-test of few, skewed values is approximate: the rates below say by how much.

Of the nulls, `noise` draws every cell from one distribution of its metric (AI 0 or 1, the others
normal; correlation 0.5 within an image), and `edge` is the worst case: the claim is false, but
as much as can be is in its favour, and the rest lies at the rule's threshold. No rate may be over
5%. Claims that most metrics do not tell methods apart are true on noise, so they only have an
edge.
"""


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--coverage-runs", type=int, default=4000)
    given = parser.parse_args()
    sys.stdout.write(page(given.runs, given.coverage_runs))


if __name__ == "__main__":
    main()
