"""Monotonicity correlation of one image.

Nguyen & Martinez, "On quantitative aspects of model interpretability", 2020, with the
estimator of Quantus (MonotonicityCorrelation): features are sorted by ascending saliency and cut
into steps; a step's features alone are replaced in the *original* input (nothing accumulates), by
uniform values drawn afresh; the step's score is the mean squared change of the probability, over
the squared probability. The metric is Spearman's correlation of the steps' summed saliency with
their scores, in [-1, 1], NaN where either is constant.

Quantus 0.5 takes pixels as features and draws one value per channel (``monotonicity``; read at
its tag v0.5.3: evaluate_instance, baseline_replacement_by_indices with the map's two axes);
Quantus 0.6 takes 3 H W channel entries and draws one value for all (``monotonicity_channels``).

``precision``: of the softmax. Quantus's is torch's float32 softmax, everything after it float64
(but the summed saliency: v0.5.3 adds up float32 numbers one by one; here exactly). It matters for
very confident images: probabilities that differ by less than 6e-8 are then tied, or all equal 1.
"""

import math
import warnings

import numpy as np
import torch
from scipy.stats import spearmanr

from .causal import target_probability

EPSILON = 1e-5


def ascending(values):
    """Indices of the flat ``values``, least salient first, ties by index ascending."""
    numbers = [float(v) for v in np.asarray(values).reshape(-1)]
    return sorted(range(len(numbers)), key=lambda i: (numbers[i], i))


def _probability(model, image, target, precision):
    with torch.no_grad():
        logits = model(torch.from_numpy(image).unsqueeze(0))[0]
    return target_probability(logits, target, precision)


def spearman(a, b):
    """Spearman's rank correlation (mean ranks for ties); NaN where one side is constant."""
    if len(set(a)) < 2 or len(set(b)) < 2:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(spearmanr(a, b)[0])


def _score(p, changed):
    divisor = 1.0 if abs(p) < EPSILON else p * p
    return math.fsum((q - p) ** 2 for q in changed) / len(changed) / divisor


def monotonicity_steps(model, x, m, target, rows_per_step, draws, order=None, precision="float64"):
    """Per step the summed saliency and the score, as two lists (pixel features).

    ``x`` (3, H, W), ``m`` (H, W), a step is rows_per_step * W pixels; ``draws``
    (steps, n_draws, 3) in [0, 1] are put into the normalised input as they are. ``order``: another
    ascending order of the pixels, to follow a library's own order of ties.
    """
    image = x.detach().cpu().numpy()
    width = image.shape[2]
    saliency = [float(v) for v in np.asarray(m).reshape(-1)]
    if order is None:
        order = ascending(saliency)
    size = rows_per_step * width
    p = _probability(model, image, target, precision)
    sums, scores = [], []
    for number, first in enumerate(range(0, len(order), size)):
        step = order[first : first + size]
        changed = []
        for draw in draws[number]:
            copy = image.copy()
            for index in step:
                row, column = divmod(index, width)
                copy[0, row, column] = draw[0]
                copy[1, row, column] = draw[1]
                copy[2, row, column] = draw[2]
            changed.append(_probability(model, copy, target, precision))
        sums.append(math.fsum(saliency[index] for index in step))
        scores.append(_score(p, changed))
    return sums, scores


def monotonicity(model, x, m, target, rows_per_step, draws, order=None, precision="float64"):
    """Spearman's correlation over the steps of ``monotonicity_steps``."""
    steps = monotonicity_steps(model, x, m, target, rows_per_step, draws, order, precision)
    return spearman(*steps)


def monotonicity_channels_steps(
    model, x, m, target, rows_per_step, draws, order=None, precision="float64"
):
    """As ``monotonicity_steps``, the features being the 3 H W entries of the flattened input.

    The map is repeated for the three channels, so every value occurs three times at least; entries
    are numbered channel by channel, then row-major. A step is rows_per_step * W entries (21
    steps for 32 rows of 224); ``draws`` (steps, n_draws). ``order``: another ascending
    order of the entries, to follow a library's own order of ties.
    """
    image = x.detach().cpu().numpy()
    shape = image.shape
    once = [float(v) for v in np.asarray(m).reshape(-1)]
    saliency = once * shape[0]
    if order is None:
        order = ascending(saliency)
    size = rows_per_step * shape[2]
    p = _probability(model, image, target, precision)
    sums, scores = [], []
    for number, first in enumerate(range(0, len(order), size)):
        step = order[first : first + size]
        changed = []
        for draw in draws[number]:
            flat = image.copy().reshape(-1)
            for index in step:
                flat[index] = draw
            changed.append(_probability(model, flat.reshape(shape), target, precision))
        sums.append(math.fsum(saliency[index] for index in step))
        scores.append(_score(p, changed))
    return sums, scores


def monotonicity_channels(
    model, x, m, target, rows_per_step, draws, order=None, precision="float64"
):
    """Spearman's correlation over the steps of ``monotonicity_channels_steps``."""
    steps = monotonicity_channels_steps(model, x, m, target, rows_per_step, draws, order, precision)
    return spearman(*steps)
