"""How often the report says that two metrics rank a method apart where no method differs.

    python scripts/simulate_ranks.py > docs/ranks.md

Every number is simulated from seed 0, with the report's own function (`analysis.ranks.rank`).
"""

from __future__ import annotations

import argparse
import platform

import numpy as np
import pandas as pd
import scipy

from xaibench.analysis.ranks import SPOKEN, Ranks, rank
from xaibench.analysis.stats import RESAMPLES
from xaibench.config.catalog import Catalog, MetricDeclaration

IMAGES = (20, 50, 120)
METRICS = (2, 5, 12)
METHODS = 10
ALIKE = 0.5
"""Correlation of two methods' values of the same image."""


def world(rng: np.random.Generator, images: int, metrics: int, methods: int = METHODS) -> Ranks:
    """Ranks of methods that are all alike: normal values, images harder and easier for all."""
    names = [f"m{k}" for k in range(metrics)]
    common = rng.normal(size=(metrics, images, 1)) * np.sqrt(ALIKE)
    values = common + rng.normal(size=(metrics, images, methods)) * np.sqrt(1 - ALIKE)
    metric, image, method = (part.ravel() for part in np.indices(values.shape))
    frame = pd.DataFrame(
        {
            "image": [f"{i:03d}" for i in image],
            "target": "ground_truth",
            "transform": "none",
            "variation": "none",
            "method": [f"a{m}" for m in method],
            "metric": [names[k] for k in metric],
            "status": "ok",
            "value": values.ravel(),
        }
    )
    declared = {n: MetricDeclaration(n, n, n, direction="higher", group="g") for n in names}
    return rank(frame, Catalog({}, declared), seed=int(rng.integers(2**31)))


def rates(images: int, metrics: int, runs: int, seed: int = 0) -> tuple[float, float]:
    """Shares of runs with any method said to be ranked apart: by the rule, by plain intervals."""
    rng = np.random.default_rng((seed, images, metrics))
    said = plain = 0
    for _ in range(runs):
        found = world(rng, images, metrics)
        said += bool(found.spread())
        plain += _apart(found)
    return said / runs, plain / runs


def _apart(found: Ranks) -> bool:
    """Whether two 95% intervals of one method do not meet."""
    for row in found.rows:
        held = [one.ranks[row.method] for one in found.metrics]
        if max(one.low or 0 for one in held) > min(one.high or np.inf for one in held):
            return True
    return False


def main(runs: int) -> None:
    """Print the page."""
    print(
        f"""# How sure is a rank?

Made by `python scripts/simulate_ranks.py --runs {runs} > docs/ranks.md` (seed 0; Python
{platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}). Do not edit.

The page of the report shows every method's rank by every metric. The line around it holds 95% of
{RESAMPLES:,} bootstrap resamples of the images, the same for all methods and metrics. Among many
such lines some do not meet by chance, so the sentences on where metrics disagree take wider ones:
all ranks of the page are inside of them at once (Bonferroni's correction; at most all resamples).

Below, {METHODS} methods are all alike by every metric (normal values, correlation {ALIKE} within an
image): the share of runs in which any method is said to be ranked apart. It should be at most 5%;
metrics over fewer than {SPOKEN} images are not spoken of.

| metrics | images | by the rule | if plain 95% lines were taken |
|---:|---:|---:|---:|"""
    )
    for metrics in METRICS:
        for images in IMAGES:
            said, plain = rates(images, metrics, runs)
            print(f"| {metrics} | {images} | {100 * said:.1f}% | {100 * plain:.1f}% |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    main(parser.parse_args().runs)
