"""The claims that need every image: do metrics tell methods apart, do they follow probability?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np

from xaibench.report.claims_evidence import (
    FEWEST_METHODS,
    METHODS,
    UNMEASURED,
    Evidence,
    Finding,
    Floats,
    decide,
    every,
    with_resamples,
)
from xaibench.report.columns import COLUMNS, SPECS
from xaibench.report.measure import Key
from xaibench.report.paired import centred_ranks, concordance
from xaibench.report.stats import LEVEL

FIDELITY = SPECS[1].metrics
ROBUSTNESS = tuple(name for name in SPECS[3].metrics if name != "completeness")

PAIRS = 0.5
"""Share of method pairs that must differ: a metric that separates fewer than half ranks nothing."""
AGREEMENT = 0.3
"""Kendall's W from which images agree about the order of methods: the usual "moderate"."""
SPREAD = 0.1
"""For printed means: interquartile range of the methods, as a part of the metric's range, from
which a reader of the table sees a difference; a tenth."""
RANGES = {
    "average_increase": 100.0,
    "average_drop": 100.0,
    "average_gain": 100.0,
    "insertion": 100.0,
    "deletion": 100.0,
    "monotonicity": 2.0,
    "max_sensitivity": 1.0,  # unbounded: as far from the map as the map is from nothing
    "avg_sensitivity": 1.0,
    "sparseness": 100.0,
    "complexity": float(np.log(224 * 224)),
    "effective_complexity": 224.0 * 224.0,
}
_BESIDE = ("average_gain", "average_drop")  # the other two of Figure 2, for comparison

CORRELATION = 0.5
"""Rank correlation from which probability counts as followed: Cohen's "large"."""


def fidelity_indistinct(evidence: Evidence) -> Finding:
    """The fidelity metrics of Table 1 do not tell the methods apart."""
    return _indistinct(evidence, FIDELITY)


def robustness_indistinct(evidence: Evidence) -> Finding:
    """MS, AS and the three measures of complexity do not tell the methods apart."""
    return _indistinct(evidence, ROBUSTNESS)


def _indistinct(evidence: Evidence, metrics: Sequence[str]) -> Finding:
    """Over half the metrics do not tell methods apart: holds; over half do: fails.

    Apart: at least `PAIRS` of the method pairs differ (their paired 95% interval excludes zero)
    and W is at least `AGREEMENT`. Not apart: W is below. Between the two, too few images to say.
    """
    methods = evidence.methods(metrics)
    if len(methods) < FEWEST_METHODS:
        return _too_few(methods)
    cells = [[evidence.key(method, metric) for method in methods] for metric in metrics]
    if evidence.cells is None:
        return _printed_spread(evidence, cells)
    images = evidence.common([key for keys in cells for key in keys])
    if len(images) < 2:
        return Finding(UNMEASURED, "under two images have a usable score in every cell", 0)
    means = evidence.sample([key for keys in cells for key in keys]).means
    pairs = [_pairs_apart(part) for part in np.split(means, len(metrics), axis=1)]
    w = _concordance(evidence, cells, images)
    agree = w >= AGREEMENT  # (1 + R, metrics); NaN, all methods alike on every image, is below
    apart = agree & (np.array(pairs) >= PAIRS)
    count = len(methods) * (len(methods) - 1) // 2
    told = ", ".join(
        f"{COLUMNS[m].short} {share:.0%} W {value:.2f}"
        for m, share, value in zip(metrics, pairs, w[0], strict=True)
    )
    numbers = (
        f"pairs of {count} that differ, and W: {told}; apart {apart[0].sum()}, not apart "
        f"{(~agree[0]).sum()} of {len(metrics)}"
    )
    half = len(metrics) / 2
    yes, no = (~agree).sum(axis=1) > half, apart.sum(axis=1) > half
    return decide(yes, len(images), numbers, no)


def _too_few(methods: Sequence[str]) -> Finding:
    return Finding(
        UNMEASURED, f"{len(methods)} methods have these metrics, fewer than {FEWEST_METHODS}"
    )


def _pairs_apart(means: Floats) -> float:
    """Share of pairs of columns of (1 + R, k) whose paired 95% interval excludes zero."""
    first, second = np.array(list(combinations(range(means.shape[1]), 2))).T
    tail = (1.0 - LEVEL) / 2.0
    drawn = means[1:, first] - means[1:, second]
    low, high = np.quantile(drawn, (tail, 1.0 - tail), axis=0)
    return float(((low > 0) | (high < 0)).mean())


def _concordance(evidence: Evidence, cells: list[list[Key]], images: np.ndarray) -> Floats:
    """Kendall's W over images of every metric (1 + R, metrics): as measured, then resampled."""
    parts = []
    for keys in cells:
        ranks = centred_ranks(evidence.values(keys, images))
        parts += [ranks, np.square(ranks).sum(axis=1, keepdims=True)]
    means = with_resamples(np.concatenate(parts, axis=1), evidence.resamples)
    blocks = means.reshape(len(means), len(cells), -1)
    return concordance(blocks[..., :-1], blocks[..., -1])


def _printed_spread(evidence: Evidence, cells: list[list[Key]]) -> Finding:
    """The same of printed means, which have no images: by their spread, see `SPREAD`."""
    parts = {}
    for keys in cells:
        values = [evidence.printed[key] for key in keys]
        low, high = np.quantile(values, (0.25, 0.75))
        parts[keys[0].metric] = float(high - low) / RANGES[keys[0].metric]
    apart = sum(part >= SPREAD for part in parts.values())
    told = ", ".join(f"{COLUMNS[m].short} {part:.1%}" for m, part in parts.items())
    numbers = (
        f"no images printed; middle half of the methods spans, of the metric's range: {told}; "
        f"apart in {apart} of {len(parts)}"
    )
    yes, no = np.array([apart * 2 < len(parts)]), np.array([apart * 2 > len(parts)])
    return decide(yes, None, numbers, no)


def follows_probability(evidence: Evidence) -> Finding:
    """Over images, rank correlation of I and of D with the base probability: median `CORRELATION`.

    The median is over methods. D is the area under the deletion curve itself, not 100 - D%, so
    that both are expected to rise with the probability.
    """
    metrics = ("insertion", "deletion")
    if evidence.cells is None:
        return Finding(UNMEASURED, f"no images printed; {_printed_order(evidence)}")
    methods = evidence.methods(metrics)
    if len(methods) < FEWEST_METHODS:
        return _too_few(methods)
    if evidence.probability is None:
        return Finding(UNMEASURED, "the run holds no predictions")
    beside = [m for m in _BESIDE if set(methods) <= set(evidence.methods([m]))]
    wanted = [*metrics, *beside]
    keys = [evidence.key(method, metric) for metric in wanted for method in methods]
    images = evidence.common(keys)
    images = images[np.isfinite(evidence.probability[images])]
    probability = evidence.probability[images]
    if len(np.unique(probability)) < 2:
        return Finding(UNMEASURED, "the probability is the same on all images, if any", len(images))
    rho = rank_correlations(probability, evidence.values(keys, images), evidence.resamples)
    medians = np.median(rho.reshape(len(rho), len(wanted), len(methods)), axis=2)
    rounded = np.round(medians[0], 2) + 0.0  # never "-0.00"
    told = ", ".join(f"{COLUMNS[m].short} {r:+.2f}" for m, r in zip(wanted, rounded, strict=True))
    numbers = f"median over {len(methods)} methods of Spearman's rho with the probability: {told}"
    return decide(every(medians[:, :2] >= CORRELATION), len(images), numbers)


def rank_correlations(x: Floats, values: Floats, resamples: int) -> Floats:
    """Spearman's rho of x (N,) with each column of values (N, C): (1 + R, C), then resampled.

    Resamples keep the ranks of the whole sample, so that they need means of products alone. 0
    where one side is constant: it goes with nothing.
    """
    a = centred_ranks(x[None])[0][:, None] / len(x)
    b = centred_ranks(values.T).T / len(x)
    parts = [a, np.square(a), b, np.square(b), a * b]
    means = with_resamples(np.concatenate(parts, axis=1), resamples)
    mean_a, square_a, mean_b, square_b, product = np.split(
        means, np.cumsum([part.shape[1] for part in parts])[:-1], axis=1
    )
    covariance = product - mean_a * mean_b
    variances = (square_a - mean_a**2) * (square_b - mean_b**2)
    known = variances > 1e-18  # rounding leaves that much of a constant's
    return np.where(known, covariance / np.sqrt(np.where(known, variances, 1.0)), 0.0)


def _printed_order(evidence: Evidence) -> str:
    """How often I and D of Table 2 are in the order of the classes' probabilities."""
    order = SPECS[2].targets
    targets = [order[1], order[0], order[2]]  # predicted >= ground truth >= least probable
    told = []
    for metric, sign in (("insertion", 1), ("deletion", -1)):  # 100 - D% turns it round
        rows = [
            [sign * evidence.printed[evidence.key(method, metric, target=t)] for t in targets]
            for method in METHODS
        ]
        right = sum(all(first > second for first, second in pairwise(row)) for row in rows)
        told.append(f"{COLUMNS[metric].short} for {right} of {len(rows)} methods")
    return (
        "in Table 2 the three target classes are in the order of their probability by "
        f"{' and '.join(told)}"
    )
