"""Simulated frames of scores: pure noise, the edge of each claim's rule, the printed means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from xaibench.analysis.claims.evidence import (
    CAM,
    GRADIENT,
    LEARNING,
    OCCLUSION,
    Evidence,
    from_cells,
    from_paper,
)
from xaibench.analysis.claims.moves import in_doubt
from xaibench.analysis.claims.spread import RANGES
from xaibench.analysis.measure import Group, Key
from xaibench.config.declared import of_protocol
from xaibench.published.tables import FORMS, METHODS, TABLES

SHARED = 0.5  # correlation between the cells of an image
RESIDUALS = of_protocol({"metrics": {"completeness": {"test": "residual"}}})
Floats = np.ndarray

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
    elif part in BY_TARGET:
        targets, metrics = TABLES[2].targets, MOVED_METRICS
    elif part.startswith("robustness"):
        metrics = ROBUSTNESS
    elif part == "favour_large":
        metrics = (*FIDELITY, "sparseness")
    elif part == "completeness_unmet":
        metrics = ("completeness",)
    return [Key(m, t, x, k) for m in METHODS for t in targets for x in transforms for k in metrics]


SHIFTS = (
    "all_sensitive gradient_more_sensitive metrics_sensitive ag_most_stable i_falls_d_rises "
    "less_in_crop cam_more_stable only_ag_stable gradient_vary fake_ai_rises fake_ad_drops "
    "linked_to_probability"
).split()
BY_TARGET = (
    "truth_above_predicted truth_above_least predicted_slightly_lower predicted_alike "
    "least_probable_apart"
).split()


@dataclass
class World:
    """Values (n,) of cells in natural units, and by transform the class's probability (n,)."""

    cells: dict[Key, Floats]
    probabilities: dict[str, Floats]

    @property
    def probability(self) -> Floats:
        """Of the class on untransformed inputs (n,)."""
        return self.probabilities["none"]

    def evidence(self) -> Evidence:
        """As the rules read it."""
        n = len(self.probability)
        place, ones = np.arange(n, dtype=np.int64), np.ones(n)
        groups = {k: Group(place, v, ones, 0, {}, ("x",)) for k, v in self.cells.items()}
        return from_cells(groups, n, RESIDUALS, probability=self.probabilities)

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
    probabilities = {"none": rng.random(n)}
    if part == "linked_to_probability":
        probabilities |= {name: rng.random(n) for name in TABLES[4].transforms}
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
                by = probabilities.get(key.transform, probabilities["none"])
                cells[key] = cells[key] + rise * (by - 0.5)
    return World(cells, probabilities)


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
    _far(world, EDGE, 1, method=[m for m in (*CAM, *OCCLUSION, *LEARNING) if m != "lime"])


def _leads(whose: Sequence[str]) -> Callable[[World], None]:
    def change(world: World) -> None:
        _far(world, CLEAR, 1, method=whose)
        _far(world, EDGE, -1, method=(*GRADIENT, *OCCLUSION))  # level with IBA alone

    return change


def _not_fooled(world: World) -> None:
    _far(world, ("average_gain",), -1, method="fakecam")
    _far(world, ("insertion", "deletion"), 1, method=CAM[1:])


def _top_two(metric: str) -> Callable[[World], None]:
    """RISE is ahead of Fake-CAM, IBA level with it, all others behind."""

    def change(world: World) -> None:
        _far(world, ("average_increase",), 1, method="fakecam")
        _far(world, (metric,), 1, method="rise")
        rest = [m for m in METHODS if m not in ("fakecam", "rise", "iba")]
        _far(world, (metric,), -1, method=rest)

    return change


def _follow(metric: str, sign: int, methods: Sequence[str] = METHODS) -> Callable[[World], None]:
    def change(world: World) -> None:
        for key in world.cells:
            if key.metric == metric and key.method in methods:
                by = world.probabilities.get(key.transform, world.probability)
                world.cells[key] = world.cells[key] + sign * 3 * by

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


def _slightly(world: World) -> None:
    world.shift(-2.5, metric=MOVED_METRICS[:2], target="predicted")
    world.shift(-5, metric=MOVED_METRICS[2:], target="predicted")


def _large(world: World) -> None:
    for step, method in enumerate(METHODS):
        world.shift(-150 * step, metric="sparseness", method=method)
        for metric in CLEAR:
            world.shift(150 * step, metric=metric, method=method)


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
    "gradient_alike": _spread(0.1, FIDELITY[:3], GRADIENT),
    "cam_alike": _spread(0.1, FIDELITY[:3], CAM),
    "favour_large": _large,
    "others_less": _follow("average_gain", 1, CAM),
    "linked_to_probability": _follow("insertion", 1),
    "predicted_alike": lambda world: world.shift(5, metric=MOVED_METRICS[2:], target="predicted"),
    "fake_top_two": _top_two("average_drop"),
    "fake_top_two_in_m": _top_two("monotonicity"),
    "completeness_unmet": _residuals,
    "truth_above_predicted": _optimal,
    "truth_above_least": _optimal,
    "predicted_slightly_lower": _slightly,
    "least_probable_apart": _least,
    "all_sensitive": _each(_moved(150, method=_OTHERS), _moved(5, method="lime")),
    "gradient_more_sensitive": _each(
        _moved(20, method=GRADIENT),
        _moved(20, method=CAM),
        _moved(5, method=(*OCCLUSION, *LEARNING)),
    ),
    "cam_more_stable": _each(_moved(20, method=GRADIENT), _moved(20, method=CAM)),
    "gradient_vary": lambda world: world.shift(
        20, transform=("mixup", "crop"), method=(*GRADIENT, *CAM)
    ),
    "fake_ai_rises": lambda world: world.shift(5, transform="rotation", metric="average_increase"),
    "fake_ad_drops": lambda world: world.shift(-5, transform="resize", metric="average_drop"),
    "metrics_sensitive": _each(
        _moved(150, metric=MOVED_METRICS[:2]), _moved(5, metric=MOVED_METRICS[2:])
    ),
    "ag_most_stable": _each(
        _moved(150, metric=[m for m in MOVED_METRICS if m not in _STEADY]),
        _moved(5, metric=_STEADY),
    ),
    "only_ag_stable": _each(
        _moved(150, metric=[m for m in MOVED_METRICS if m not in _STEADY]),
        _moved(5, metric="deletion"),
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
TRUE_ON_NOISE = (
    "fidelity_indistinct fidelity_indistinct_without robustness_indistinct gradient_alike "
    "cam_alike predicted_alike"
).split()


def of_printed(part: str, rng: np.random.Generator, n: int) -> World:
    """Images around the paper's printed means."""
    return noise(part, rng, n, READ if part == "fake_ad_drops" else PAPER)


PAPER = from_paper()
READ = replace(
    PAPER, printed={**PAPER.printed, PAPER.key("fakecam", "average_drop", "resize"): in_doubt()[1]}
)
"""With the doubtful cell of Table 4 as it most likely was meant: the AG printed beside it."""
