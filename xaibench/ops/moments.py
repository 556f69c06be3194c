"""Mean, standard deviation and activity of features over a data set, in one pass."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def moments(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, sample standard deviation (n - 1) and share of non-zeros, each (C, h, w) float64.

    batches of features (n, C, h, w); merged by Chan et al.'s update. The standard deviation of a
    single image is 0.
    """
    count = 0
    mean = squares = nonzero = torch.zeros((), dtype=torch.float64)
    for batch in batches:
        values = batch.double()
        n = len(values)
        batch_mean = values.mean(0)
        batch_squares = ((values - batch_mean) ** 2).sum(0)
        delta = batch_mean - mean
        total = count + n
        mean = mean + delta * (n / total)
        squares = squares + batch_squares + delta**2 * (count * n / total)
        nonzero = nonzero + (values != 0).sum(0)
        count = total
    if count == 0:
        raise ValueError("no images to take statistics of")
    return mean, (squares / max(count - 1, 1)).sqrt(), nonzero / count
