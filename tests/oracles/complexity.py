"""Sparseness, complexity and effective complexity of one map, from the formulas, in float64.

Effective complexity twice: the count above a threshold that Quantus has, and the definition by a
loss tolerance of Nguyen & Martinez and of the study's text.
"""

import math

import numpy as np
import torch

from .causal import ranking, target_probability


def _values(m):
    return [float(v) for v in np.asarray(m).reshape(-1)]


def sparseness(m, shift=1e-7):
    """Gini index of the values of ``m`` (H, W), in [0, 1); 0 where all are equal.

    Chalasani et al., "Concise Explanations of Neural Networks using Adversarial Training", ICML
    2020; formula of Hurley & Rickard (2009): with the n values ascending,
    sum over k of (2k - n - 1) v_k / (n sum of v). ``shift`` is added to every value first, so an
    all-zero map is defined and has index 0.
    """
    values = sorted(v + shift for v in _values(m))
    n = len(values)
    weighted = math.fsum((2 * k - n - 1) * v for k, v in enumerate(values, start=1))
    return weighted / (n * math.fsum(values))


def complexity(m):
    """Shannon entropy in nats of m / sum(m), in [0, ln(H W)]; 0 ln 0 counts as 0.

    Bhatt, Weller & Moura, "Evaluating and Aggregating Feature-based Model Explanations", IJCAI
    2020. An all-zero map has no distribution: NaN.
    """
    values = _values(m)
    total = math.fsum(abs(v) for v in values)
    if total == 0.0:
        return float("nan")
    return -math.fsum(v / total * math.log(v / total) for v in values if v > 0.0)


def effective_complexity(m, eps=1e-5):
    """Number of pixels of ``m`` strictly above ``eps``, as a float, 0 for an all-zero map.

    The form Quantus gives to Nguyen & Martinez, "On quantitative aspects of model
    interpretability", 2020.
    """
    return float(sum(1 for v in _values(m) if v > eps))


def effective_complexity_losses(
    model, x, m, target, fills, steps=28, ties="reverse", precision="float64", size=None
):
    """Mean squared change of the probability for k = 0 .. steps - 1 kept steps, a list of floats.

    A step is ``size`` pixels, ceil(H W / steps) where it is not given (8 rows at 224 x 224), the
    last one what is left of them; k steps keep the k * step most
    salient pixels of ``x`` (3, H, W) by the map ``m`` (H, W), in the order of `causal.ranking`
    (``reverse``: ties by index descending, as insertion and deletion). Every other pixel is
    replaced, in the normalised image, by one value a channel: ``fills`` (steps, draws, 3), uniform
    in [0, 1), row k for k kept steps, or (draws, 3), the same for every k. The value of k is the
    mean over draws of (p_kept - p)^2. Each draw is one forward: steps * draws and one for p.
    """
    image = x.detach().cpu().numpy()
    width = image.shape[2]
    size = size or math.ceil(image[0].size / steps)
    order = ranking(m, ties)

    def probability(array):
        with torch.no_grad():
            logits = model(torch.from_numpy(array).unsqueeze(0))[0]
        return target_probability(logits, target, precision)

    fills = np.asarray(fills)
    p = probability(image)
    losses = []
    for k in range(steps):
        squares = []
        for fill in fills if fills.ndim == 2 else fills[k]:
            changed = np.empty_like(image)
            for channel in range(3):
                changed[channel, :, :] = fill[channel]
            for index in order[: k * size]:
                row, column = divmod(index, width)
                changed[:, row, column] = image[:, row, column]
            squares.append((probability(changed) - p) ** 2)
        losses.append(math.fsum(squares) / len(squares))
    return losses


def effective_complexity_loss(
    model,
    x,
    m,
    target,
    fills,
    steps=28,
    tolerance=0.05**2,
    ties="reverse",
    precision="float64",
    first=1,
    size=None,
):
    """Fewest most salient pixels kept such that the loss stays within ``tolerance``; an integer.

    Nguyen & Martinez 2020, and the study's section 4.3: the argmin over k in 1 .. K of |M_k| with
    the conditional expected least-squares loss, given the k most salient features, not exceeding
    the tolerance. So the *smallest* k that satisfies it: whether larger k satisfy it too is not
    asked (the loss need not fall monotonically). Here k counts steps, K = ``steps``, and the loss
    is `effective_complexity_losses`; at K all pixels are kept, the loss is 0 and it qualifies
    without a forward.

    ``first=1``: k from 1, as both texts write it: at least one step is kept, at most
    (steps - 1) * draws forwards (270 for 28 steps and 10 draws). ``first=0`` also asks k = 0,
    nothing kept (280): it returns 0 where the probability hardly moves when the whole image is
    replaced (every image with p below sqrt(tolerance) whose fills keep it there). The two differ
    only where k = 0 is within the tolerance.
    """
    losses = effective_complexity_losses(model, x, m, target, fills, steps, ties, precision, size)
    return fewest_pixels(losses, int(np.asarray(m).size), tolerance, first, size)


def fewest_pixels(losses, pixels, tolerance=0.05**2, first=1, size=None):
    """What `effective_complexity_loss` says of these ``losses`` and so many ``pixels``."""
    size = size or math.ceil(pixels / len(losses))
    for k in range(first, len(losses)):
        if losses[k] <= tolerance:
            return min(k * size, pixels)
    return pixels
