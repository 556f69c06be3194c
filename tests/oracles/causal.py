"""Insertion and deletion of one image, pixel by pixel.

Petsiuk, Das & Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models",
BMVC 2018, and the class CausalMetric of the official code
(github.com/eclique/RISE, evaluation.py). ``rows_per_step`` = 1 is the official setting.
"""

import math
from itertools import pairwise

import numpy as np
import torch


def _reflected(i, n):
    """Index ``i`` brought into 0..n-1 by mirroring at the edge: (d c b a | a b c d | d c b a)."""
    while i < 0 or i >= n:
        i = -i - 1 if i < 0 else 2 * n - 1 - i
    return i


def blur_kernel(size, sigma=5.0):
    """Gaussian filter of a ``size`` x ``size`` image holding a single one at its centre.

    What scipy.ndimage.gaussian_filter(delta, sigma) returns with its defaults: the sampled Gaussian
    is cut at a radius of int(4 sigma + 0.5), normalised to sum one, and the border is mirrored.
    With sigma 5 the Gaussian is far wider than the image, so the result is nearly flat.
    Returns (size, size) float64 summing to one.
    """
    radius = int(4.0 * sigma + 0.5)
    offsets = range(-radius, radius + 1)
    weights = [math.exp(-0.5 * (o / sigma) ** 2) for o in offsets]
    total = math.fsum(weights)
    line = np.zeros(size)
    for i in range(size):
        for o, weight in zip(offsets, weights, strict=True):
            if _reflected(i + o, size) == size // 2:
                line[i] += weight / total
    return np.array([[line[i] * line[j] for j in range(size)] for i in range(size)])


def blurred(x, size, sigma=5.0):
    """``x`` (3, H, W) with each channel convolved with ``blur_kernel(size, sigma)``.

    Zero padding of size // 2, as conv2d has it, so the border fades towards zero (the mean
    colour). The sum runs over the kernel's positions in float64; the result has x's dtype.
    """
    kernel = blur_kernel(size, sigma)
    image = x.detach().cpu().numpy().astype(np.float64)
    channels, height, width = image.shape
    pad = size // 2
    padded = np.zeros((channels, height + 2 * pad, width + 2 * pad))
    padded[:, pad : pad + height, pad : pad + width] = image
    result = np.zeros((channels, height, width))
    for i in range(size):
        for j in range(size):
            result += kernel[i, j] * padded[:, i : i + height, j : j + width]
    return torch.from_numpy(result).to(x.dtype)


def ranking(m, ties="reverse"):
    """Flat pixel indices of the map ``m`` (H, W), most salient first, as a list.

    Equal values: by index descending (``reverse``) or ascending (``row_major``). ``reverse`` is
    what RISE's CausalMetric and the study's ins_del.py do: both reverse an ascending argsort of the
    flattened map (`evaluate`, salient_order), ties included. Their argsort is NumPy's default,
    which promises no order of ties; taken as stable it is `ranking_flip`.
    """
    values = [float(v) for v in np.asarray(m).reshape(-1)]
    if any(math.isnan(v) for v in values):
        raise ValueError("a map with NaN has no ranking")
    if ties == "row_major":
        return sorted(range(len(values)), key=lambda i: (-values[i], i))
    if ties == "reverse":
        return sorted(range(len(values)), key=lambda i: (-values[i], -i))
    raise ValueError(f"unknown tie order {ties!r}")


def ranking_flip(m):
    """`ranking` with ties in reverse, in NumPy and with a stable sort: (H W,) integers.

    RISE's evaluation.py and the study's evaluation/ins_del.py, but for ``kind``.
    """
    return np.flip(np.argsort(np.asarray(m).reshape(-1), kind="stable"))


def steps_of(order, pixels_per_step):
    """``order`` cut into lists of ``pixels_per_step``; the last one takes what is left."""
    return [order[i : i + pixels_per_step] for i in range(0, len(order), pixels_per_step)]


def auc(curve):
    """Trapezoid area under equally spaced values, divided by the number of intervals."""
    area = 0.0
    for left, right in pairwise(curve):
        area += (left + right) / 2.0
    return area / (len(curve) - 1)


def auc_script(curve):
    """`auc` in the arithmetic of the study's ins_del.py: a float32 tensor, sum less half the ends.

    ``curve``: n + 1 probabilities (the script keeps them in a float32 tensor). Python float of a
    float32 value.
    """
    values = torch.tensor([float(p) for p in curve], dtype=torch.float32)
    return ((values.sum() - values[0] / 2 - values[-1] / 2) / (len(values) - 1)).item()


def target_probability(logits, target, precision="float64"):
    """Softmax probability of ``target`` from one row of ``logits`` (K,), as a Python float.

    ``float32``: torch's softmax of the float32 logits, the result a float32 value (the study's
    scripts, all of them). ``float64``: the same logits, exponentials and sum in float64.
    """
    if precision == "float32":
        return torch.softmax(torch.as_tensor(logits).detach().cpu().float(), dim=-1)[target].item()
    if precision != "float64":
        raise ValueError(f"unknown precision {precision!r}")
    values = torch.as_tensor(logits).detach().cpu().numpy().astype(np.float64)
    exponentials = np.exp(values - values.max())
    return float(exponentials[target] / exponentials.sum())


def _probabilities(model, images, target, batch, precision):
    result = []
    for first in range(0, len(images), batch):
        stack = torch.from_numpy(np.stack(images[first : first + batch]))
        with torch.no_grad():
            logits = model(stack)
        result.extend(target_probability(row, target, precision) for row in logits)
    return result


def _curve(model, start, finish, m, target, rows_per_step, ties, batch, precision):
    current = start.detach().cpu().numpy().copy()
    final = finish.detach().cpu().numpy()
    width = current.shape[2]
    images = [current.copy()]
    for step in steps_of(ranking(m, ties), rows_per_step * width):
        for index in step:
            row, column = divmod(index, width)
            current[:, row, column] = final[:, row, column]
        images.append(current.copy())
    return _probabilities(model, images, target, batch, precision)


def insertion_curve(
    model,
    x,
    m,
    target,
    rows_per_step,
    kernel,
    sigma=5.0,
    ties="reverse",
    batch=1,
    precision="float64",
):
    """Probabilities of ``target`` from the blurred image to the original, one per step plus one.

    ``kernel`` is the side of the blur kernel (11 in RISE's official code, 5 in the study's
    scripts). All channels of the pixels of a step become original at once, most salient pixels
    first. ``precision``: of the softmax, see `target_probability`; the study's curve is float32.
    """
    start = blurred(x, kernel, sigma)
    return _curve(model, start, x, m, target, rows_per_step, ties, batch, precision)


def deletion_curve(
    model, x, m, target, rows_per_step, ties="reverse", batch=1, precision="float64"
):
    """Probabilities of ``target`` from the original to zeros in normalised space."""
    zeros = torch.zeros_like(x)
    return _curve(model, x, zeros, m, target, rows_per_step, ties, batch, precision)


def insertion(
    model,
    x,
    m,
    target,
    rows_per_step,
    kernel,
    sigma=5.0,
    ties="reverse",
    batch=1,
    precision="float64",
):
    """Area under the insertion curve, in [0, 1]; higher is better.

    The study sums the float32 curve in float32 (`auc_script`); here the area is float64, which
    moves it by about 1e-7.
    """
    curve = insertion_curve(
        model, x, m, target, rows_per_step, kernel, sigma, ties, batch, precision
    )
    return auc(curve)


def deletion(model, x, m, target, rows_per_step, ties="reverse", batch=1, precision="float64"):
    """Area under the deletion curve, in [0, 1]; lower is better."""
    return auc(deletion_curve(model, x, m, target, rows_per_step, ties, batch, precision))
