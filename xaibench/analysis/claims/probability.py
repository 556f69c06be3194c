"""Rules for Figure 2: do fidelity metrics go with the probability of the class?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import ndtr

from xaibench.analysis.claims.coverage import covered, without
from xaibench.analysis.claims.evidence import (
    CAM,
    FEWEST_METHODS,
    GRADIENT,
    LEARNING,
    OCCLUSION,
    SHORTS,
    Evidence,
)
from xaibench.analysis.claims.finding import UNMEASURED, UNTIL, Finding, decide, nothing_shared
from xaibench.analysis.claims.significance import above, all_of, any_of, correlation_p, influence
from xaibench.analysis.paired import centred_ranks, correlation
from xaibench.analysis.stats import MIN_IMAGES, Floats
from xaibench.published.tables import FORMS, METHODS, TABLES

NONE = 0.1
"""Correlation that is as good as none (Cohen's "small"): a claim of one fails where it is surely
under this, not for want of images."""


_OTHERS = (*GRADIENT, *OCCLUSION, *LEARNING)


@dataclass(frozen=True)
class _Ranks:
    """Ranks over N images.

    Of the probability (N,) and of the values (N, metrics, methods); `medians` over the methods of
    Spearman's rho (metrics,); `note` which methods are left out.
    """

    probability: Floats
    values: Floats
    methods: tuple[str, ...]
    medians: Floats
    note: str

    @property
    def metrics(self) -> Floats:
        """Means over the methods (N, metrics)."""
        return np.asarray(self.values.mean(axis=2))


def i_d_positive(evidence: Evidence) -> Finding:
    """Rank correlation with the probability above 0, for I and for D (the area itself)."""
    return _signs(evidence, METHODS, ("insertion", "deletion"), (1, 1))


def i_positive(evidence: Evidence) -> Finding:
    """Rank correlation of I with the probability above 0."""
    return _signs(evidence, METHODS, ("insertion",), (1,))


def cam_ag_ad(evidence: Evidence) -> Finding:
    """Of the CAM methods: AG's rank correlation above 0, AD's (the drop itself) below."""
    return _signs(evidence, CAM, ("average_gain", "average_drop"), (1, -1))


def others_less(evidence: Evidence) -> Finding:
    """AG and AD go with the probability more for the CAM than for the other informed methods."""
    metrics, signs = ("average_gain", "average_drop"), (1, -1)
    ranks = _ranks(evidence, (*CAM, *_OTHERS), metrics)
    if isinstance(ranks, Finding):
        return ranks
    family = np.isin(ranks.methods, CAM)
    if family.all() or not family.any():
        return Finding(UNMEASURED, "no scores of one of the families")
    rho = [
        [influence(ranks.probability, ranks.values[:, i, chosen].mean(axis=1)) for i in (0, 1)]
        for chosen in (family, ~family)
    ]
    more = ((np.array(rho[0]) - np.array(rho[1])) * np.array(signs)[:, None]).T  # (N, metrics)
    told = "; ".join(
        f"{SHORTS[m]} {a.mean():+.2f} and {b.mean():+.2f}"
        for m, a, b in zip(metrics, *rho, strict=True)
    )
    numbers = (
        "rank correlation with the probability of the CAM methods' mean rank and of the other "
        f"informed methods': {told}{ranks.note}"
    )
    yes, no = above(more, 0, 2.0), above(-more, 0, 2.0)
    return decide(all_of(yes), any_of(no), len(more), numbers)


def d_less_than_i(evidence: Evidence) -> Finding:
    """I's rank correlation with the probability above D's."""
    ranks = _ranks(evidence, METHODS, ("insertion", "deletion"))
    if isinstance(ranks, Finding):
        return ranks
    first, second = (influence(ranks.probability, column) for column in ranks.metrics.T)
    difference = (first - second)[:, None]
    yes, no = above(difference, 0, 2.0), above(-difference, 0, 2.0)
    return decide(yes[0], no[0], len(difference), _told(ranks, ("insertion", "deletion")))


def _signs(
    evidence: Evidence, methods: Sequence[str], metrics: Sequence[str], signs: Sequence[int]
) -> Finding:
    ranks = _ranks(evidence, methods, metrics)
    if isinstance(ranks, Finding):
        return ranks
    return with_signs(ranks.probability, ranks.metrics, signs, _told(ranks, metrics))


def with_signs(probability: Floats, columns: Floats, signs: Sequence[int], numbers: str) -> Finding:
    """Whether ranks of the probability (N,) and of columns (N, C) correlate with these signs, all.

    Fails where one is surely below `NONE`.
    """
    n = len(probability)
    r = np.array(signs) * np.array([_or_none(probability, column) for column in columns.T])
    contrary = np.ones(len(r))
    if n >= MIN_IMAGES:  # the variance of Fisher's z for ranks: Fieller et al. 1957
        z = np.arctanh(np.clip(r, -0.999999, 0.999999)) - np.arctanh(NONE)
        contrary = np.asarray(ndtr(z * np.sqrt((n - 3) / 1.06)))
    yes = correlation_p(r, n) if n > 2 else np.ones(len(r))
    return decide(all_of(yes), any_of(contrary), n, numbers)


def _told(ranks: _Ranks, metrics: Sequence[str]) -> str:
    own = [_or_none(ranks.probability, column) for column in ranks.metrics.T]
    both = np.round([own, ranks.medians], 2) + 0.0  # never "-0.00"
    told = ", ".join(
        f"{SHORTS[m]} {r:+.2f} (of one method {one:+.2f} in the median)"
        for m, r, one in zip(metrics, *both, strict=True)
    )
    return f"correlation of the methods' mean rank with the probability's: {told}{ranks.note}"


def _or_none(a: Floats, b: Floats) -> float:
    """Correlation; 0 where one side is constant, which goes with nothing."""
    return float(np.nan_to_num(correlation(a, b)))


def _ranks(evidence: Evidence, methods: Sequence[str], metrics: Sequence[str]) -> _Ranks | Finding:
    if evidence.cells is None:
        return Finding(UNMEASURED, f"no images printed; {_printed_order(evidence)}")
    if evidence.anytime:
        return Finding(UNMEASURED, UNTIL)
    needed = min(FEWEST_METHODS, len(methods))
    cells = {x: [evidence.key(x, m) for m in metrics] for x in methods}
    kept = covered(evidence, cells, needed)
    if len(kept) < needed:
        return Finding(UNMEASURED, f"{len(kept)} methods have these metrics, fewer than {needed}")
    known = evidence.probability.get("none")
    if known is None:
        return Finding(UNMEASURED, "the run holds no predictions")
    keys = [evidence.key(method, metric) for metric in metrics for method in kept]
    images = evidence.common(keys)
    images = images[np.isfinite(known[images])]
    if not len(images):
        return nothing_shared()
    probability = centred_ranks(known[images][None])[0]
    values = centred_ranks(evidence.values(keys, images).T).T.reshape(len(images), len(metrics), -1)
    # The paper prints 100 - AD% and 100 - D%, and speaks of AD and D here.
    values = values * np.sign([FORMS[m].scale for m in metrics])[:, None]
    rho = [
        [_or_none(probability, column) for column in part.T] for part in np.swapaxes(values, 0, 1)
    ]
    note = without(evidence, kept, methods)
    return _Ranks(probability, values, tuple(kept), np.median(rho, axis=1), note)


def _printed_order(evidence: Evidence) -> str:
    """How often I and D of Table 2 are in the order of the classes' probabilities."""
    order = TABLES[2].targets
    targets = [order[1], order[0], order[2]]  # predicted >= ground truth >= least probable
    told = []
    for metric, sign in (("insertion", 1), ("deletion", -1)):  # 100 - D% turns it round
        rows = [
            [sign * evidence.printed[evidence.key(method, metric, target=t)] for t in targets]
            for method in METHODS
        ]
        right = sum(all(first > second for first, second in pairwise(row)) for row in rows)
        told.append(f"{SHORTS[metric]} for {right} of {len(rows)} methods")
    return (
        "in Table 2 the three target classes are in the order of their probability by "
        f"{' and '.join(told)}"
    )
