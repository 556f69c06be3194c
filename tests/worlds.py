"""Cells whose means the paper prints, what its claims get on them, and how to change them."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
from frames import RESIDUAL

from xaibench.analysis.claims.check import CLAIMS
from xaibench.analysis.claims.claim import Part
from xaibench.analysis.claims.evidence import from_run
from xaibench.analysis.claims.finding import FAILS, HOLDS, UNMEASURED, Finding
from xaibench.analysis.compare import Source
from xaibench.analysis.footnotes import SWAPPED
from xaibench.analysis.measure import Key
from xaibench.config.catalog import Catalog
from xaibench.published import paper_tables
from xaibench.published.tables import FORMS, METHODS

IMAGES = 400
PARTS: dict[str, Part] = {part.key: part for claim in CLAIMS for part in claim.parts}
NATURAL = {form.key: (metric, form) for metric, form in FORMS.items()}
GRADIENT = ("gradient", "ig", "guidedbp")
OTHER = {a: b for a, b in permutations(("average_drop_bar", "average_gain"))}
Cells = dict[Key, np.ndarray]


def world(images: int = IMAGES, spread: float = 0.004, seed: int = 0) -> Cells:
    """Natural values (images,) of every cell whose means are the paper's printed ones.

    The two that look as if they stood in each other's place are changed round.
    """
    rng = np.random.default_rng(seed)
    cells = {}
    for row in paper_tables().sort_values("table", ascending=False).itertuples():
        name = row.metric if row.note != SWAPPED else OTHER[row.metric]
        metric, column = NATURAL[name]
        centre = (row.value - column.offset) / column.scale
        noise = rng.normal(0, spread, images)
        key = Key(row.method, row.target, row.transform, metric)
        cells[key] = centre + (noise - noise.mean()) * max(1.0, abs(centre))
    for method in METHODS:
        cells[plain(method, "completeness")] = 0.5 + rng.random(images)
    return cells


def plain(method: str, metric: str) -> Key:
    return Key(method, "ground_truth", "none", metric)


def source(
    make_frame,
    cells: Cells,
    probability: np.ndarray | dict[str, np.ndarray] | None = None,
    catalog: Catalog = RESIDUAL,
    **run: str,
) -> Source:
    rows = [
        {**key._asdict(), "image": f"{i:03d}", "value": float(v), "variation": f"{key.transform}"}
        for key, values in cells.items()
        for i, v in enumerate(values)
    ]
    predictions = None
    if probability is not None:
        by = probability if isinstance(probability, dict) else {"none": probability}
        parts = [
            pd.DataFrame(
                {
                    "image": [f"{i:03d}" for i in range(len(values))],
                    "transform": transform,
                    "variation": transform,
                    "probability_ground_truth": values,
                }
            )
            for transform, values in by.items()
        ]
        predictions = pd.concat(parts).sample(frac=1, random_state=0)
    return Source("run", make_frame(rows, **run), predictions=predictions, catalog=catalog)


def check(make_frame, key: str, cells: Cells, *rest, **more) -> Finding:
    return PARTS[key].check(from_run(source(make_frame, cells, *rest, **more)))


PRINTED = {
    "gradient_weak": HOLDS,
    "cam_best": HOLDS,
    "fake_cam_best": FAILS,
    "ag_i_not_fooled": HOLDS,
    "d_not_fooled": HOLDS,
    "i_d_positive": UNMEASURED,
    "fidelity_indistinct": FAILS,
    "fidelity_indistinct_without": HOLDS,
    "fake_top_two": HOLDS,
    "fake_top_two_in_m": HOLDS,
    "completeness_unmet": UNMEASURED,
    "gradient_alike": HOLDS,
    "cam_alike": HOLDS,
    "favour_large": HOLDS,
    "truth_above_predicted": HOLDS,
    "truth_above_least": FAILS,
    "predicted_slightly_lower": HOLDS,
    "predicted_alike": HOLDS,
    "least_probable_apart": HOLDS,
    "cam_ag_ad": UNMEASURED,
    "others_less": UNMEASURED,
    "i_positive": UNMEASURED,
    "d_less_than_i": UNMEASURED,
    "robustness_extremes": HOLDS,
    "robustness_indistinct": HOLDS,
    "all_sensitive": HOLDS,
    "gradient_more_sensitive": HOLDS,
    "metrics_sensitive": HOLDS,
    "ag_most_stable": HOLDS,
    "fake_ai_rises": HOLDS,
    "fake_ad_drops": HOLDS,
    "i_falls_d_rises": HOLDS,
    "less_in_crop": HOLDS,
    "linked_to_probability": UNMEASURED,
    "gradient_vary": HOLDS,
    "cam_more_stable": HOLDS,
    "only_ag_stable": HOLDS,
}


def changed(changes: dict[Key, float]) -> Cells:
    cells = world()
    for key, value in changes.items():
        cells[key] = cells[key] - cells[key].mean() + value
    return cells


def moved(cells: Cells, share: float, methods=METHODS, metrics=None) -> Cells:
    """Only this share of what transforms change is left, for these methods and metrics."""
    for key in cells:
        if key.transform != "none" and key.method in methods and key.metric in (metrics or FORMS):
            untouched = cells[key._replace(transform="none")]
            cells[key] = untouched + share * (cells[key] - untouched)
    return cells


def against(cells: Cells, target: str, metrics: tuple[str, ...], gap: float) -> Cells:
    """The ground truth's mean in these metrics, in print, is the other target's plus a gap."""
    for key in [k for k in cells if k.target == target and k.metric in metrics]:
        truth = cells[key._replace(target="ground_truth")]
        cells[key] = truth - gap / FORMS[key.metric].scale
    return cells
