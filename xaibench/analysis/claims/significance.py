"""The tests behind a verdict: one-sided p-values, and how a rule joins many of them.

A rule is built of comparisons of means over images, each with the p-value of a one-sided paired
t-test. Joined, they stay valid whatever depends on what: "all of them" takes the largest (Berger
1982), "at least k of m" Bonferroni over the m - k + 1 largest (Benjamini & Heller 2008). Where a
claim says that nothing differs, the comparison is with a margin (two one-sided tests, Schuirmann
1987), so that few images decide nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from xaibench.analysis import sequences
from xaibench.analysis.stats import Bools, Floats, sparse

FOLDS = 5
PSEUDO = 2.0
"""Observations added at each end of the range where nearly all images share a value, which have no
spread to tell from: z^2 / 2 at each end as Agresti & Coull 1998 for a share."""


def above(
    values: Floats, margin: float = 0.0, reach: float | Floats = 1.0, anytime: bool = False
) -> Floats:
    """One-sided p-values that the means of columns exceed `margin`.

    Args:
        values: (N, C) one value an image; N = 1 are printed means, taken as they stand.
        margin: what the mean has to exceed.
        reach: the largest absolute value possible, (C,) or one for all; only used for columns with
            fewer than `FEW` images off the commonest value, and with `anytime`.
        anytime: whether what the values say decided how many there are. Rows are then in the order
            in which they came, and the p-values hold whenever one looks (`sequences.above`).

    Returns:
        (C,) values in [0, 1].
    """
    n = len(values)
    if n == 1:
        return np.where(values[0] > margin, 0.0, 1.0)
    if anytime:
        width = 2 * np.broadcast_to(np.asarray(reach, dtype=np.float64), values.shape[1:])
        return sequences.above(values / width + 0.5, margin / width + 0.5)
    mean, spread, count = moments(values, reach)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (mean - margin) / np.sqrt(spread / count)
    return np.asarray(stdtr(n - 1, -np.where(np.isnan(t), 0.0, t)))


def moments(values: Floats, reach: float | Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, variance and number of observations (C,) of (N, C), pseudo-observations counted."""
    n = len(values)
    mean, variance = values.mean(axis=0), values.var(axis=0, ddof=1)
    thin = sparse(values)
    count = np.where(thin, n + 2 * PSEUDO, n)
    square = ((values**2).sum(axis=0) + 2 * PSEUDO * np.square(reach)) / (n + 2 * PSEUDO)
    shrunk = mean * n / (n + 2 * PSEUDO)
    return (
        np.where(thin, shrunk, mean),
        np.where(thin, square - shrunk**2, variance),
        np.asarray(count, dtype=np.float64),
    )


def all_of(p: Floats, axis: int | None = None) -> Floats:
    """The p-value that every alternative holds, along `axis`."""
    return np.asarray(p.max(axis=axis))


def at_least(k: int, p: Floats, axis: int = -1) -> Floats:
    """The p-value that at least k of the alternatives along `axis` hold."""
    ordered = np.sort(p, axis=axis)
    worst = np.take(ordered, k - 1, axis=axis) * (p.shape[axis] - k + 1)
    return np.minimum(worst, 1.0)


def any_of(p: Floats, axis: int = -1) -> Floats:
    """The p-value that at least one of the alternatives along `axis` holds."""
    return at_least(1, p, axis)


def most(m: int) -> int:
    """The fewest that are more than half of m."""
    return m // 2 + 1


def sizes(changes: Floats) -> tuple[Floats, Floats]:
    """Two arrays (N, C) whose column means bound the size |mean| of the changes (N, C).

    The mean of absolute changes grows with noise alone. Here each column takes one sign: in the
    first array from the other four fifths of the images, so that noise averages to 0 and the mean
    falls short of the size where the sign is in doubt; in the second from all images, so that the
    mean is |mean|, which noise makes larger. What is claimed to be large is taken from the first,
    what it is held against from the second.
    """
    whole = np.sign(changes.sum(axis=0))
    if len(changes) == 1:
        return changes * whole, changes * whole
    folds = np.arange(len(changes)) % FOLDS
    parts = np.stack([changes[folds == fold].sum(axis=0) for fold in range(FOLDS)])
    signs = np.sign(parts.sum(axis=0) - parts)  # (FOLDS, C)
    return changes * signs[folds], changes * whole


def correlation_p(r: Floats, n: int) -> Floats:
    """One-sided p-values that correlations r of n pairs are above 0 (Student's t of r)."""
    t = r * np.sqrt((n - 2) / np.maximum(1 - r**2, 1e-12))
    return np.asarray(stdtr(n - 2, -t))


def influence(a: Floats, b: Floats) -> Floats:
    """One value an image whose mean is the correlation of a (N,) and b (N,), as its jackknife."""
    u, v = (x - x.mean() for x in (a, b))
    u, v = u / max(u.std(), 1e-12), v / max(v.std(), 1e-12)
    r = float((u * v).mean())
    return np.asarray(u * v - r / 2 * (u**2 + v**2) + r)


def names_where(where: Bools | NDArray[np.bool_], names: list[str]) -> str:
    """`3 of 6 (AI, AD, M)`."""
    yes = [name for name, there in zip(names, where, strict=True) if there]
    return f"{len(yes)} of {len(names)}" + f" ({', '.join(yes)})" * bool(yes)
