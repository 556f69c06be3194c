"""Oracle for the per-sample information bottleneck (Schulz, Sixt, Tombari, Landgraf 2020).

Follows the paper's equations and, where it is silent, the authors' PyTorch package
(github.com/BioroboticsLab/IBA): order of sigmoid and smoothing, inactive neurons, minimum std.
"""

import math
from collections.abc import Iterable

import numpy as np
import torch
from skimage.transform import resize
from torch import nn
from torch.nn import functional


def _gaussian_window(sigma: float, kernel: int) -> list[list[float]]:
    """kernel x kernel weights exp(-(dy^2 + dx^2) / (2 sigma^2)), summing to 1."""
    centre = (kernel - 1) / 2
    weights = []
    for row in range(kernel):
        squares = [(row - centre) ** 2 + (column - centre) ** 2 for column in range(kernel)]
        weights.append([math.exp(-square / (2 * sigma**2)) for square in squares])
    total = sum(sum(row) for row in weights)
    return [[weight / total for weight in row] for row in weights]


def _smooth(values: torch.Tensor, sigma: float, kernel: int) -> torch.Tensor:
    """Each channel of (C, h, w) blurred, mirrored at the border without repeating the edge.

    Needs h, w > (kernel - 1) / 2.
    """
    height, width = values.shape[1:]
    border = (kernel - 1) // 2
    padded = functional.pad(values, (border, border, border, border), mode="reflect")
    window = _gaussian_window(sigma, kernel)
    result = torch.zeros_like(values)
    for dy in range(kernel):
        for dx in range(kernel):
            result = result + window[dy][dx] * padded[:, dy : dy + height, dx : dx + width]
    return result


def information_bottleneck(
    model: nn.Module,
    layer: nn.Module,
    x: torch.Tensor,
    target: int,
    mean: torch.Tensor,
    std: torch.Tensor,
    active: torch.Tensor,
    noise: torch.Tensor,
    beta: float = 10.0,
    lr: float = 1.0,
    alpha0: float = 5.0,
    min_std: float = 0.01,
    sigma: float = 1.0,
    kernel: int = 5,
) -> np.ndarray:
    """The per-neuron capacity of the bottleneck at `layer`'s output R for one image.

    `model` maps normalised images to logits, eval mode; `layer` runs once in a forward; `x`
    (1, 3, H, W). `mean`, `std`, `active` (C, h, w): the feature statistics of R over a dataset and
    whether a neuron counts. `noise` (steps, samples, C, h, w) standard normal: its length is the
    number of optimiser steps.

    Each step, with alpha (C, h, w) starting at `alpha0`:
        lambda   = blur(sigmoid(alpha))                        sigmoid first, then the blur
        sd       = max(std, min_std)                           in the noise and in the capacity
        Z        = (lambda R + (1 - lambda) (mean + sd noise)) active
        capacity = KL[P(Z|R) || N(mean, sd^2)]
                 = (mu^2 + var - log var - 1) / 2 * active
                   with mu = lambda (R - mean) / sd, var = (1 - lambda)^2
        loss     = cross-entropy(target), mean over the noise samples
                   + beta * mean of capacity over all C * h * w neurons
                   (inactive neurons count in the divisor, with capacity 0)
        alpha    = Adam(lr) step on the loss
    Inactive neurons are 0 in Z whatever R is there. Z is not clamped, though R may be post-ReLU.

    Returns (C, h, w) >= 0 in nats: the capacity of the last forward, so of alpha after
    steps - 1 updates. The dtype is x's (the model must be of the same): with float32, Adam
    divides small gradients by their own size and so magnifies their rounding. On the embedded
    network at a 40 x 28 x 28 layer two exact float32 implementations part by 0.5 % of the largest
    capacity (0.2 % of the min-maxed map), in float64 by 1e-14: compare implementations in
    float64.
    """
    mean = torch.as_tensor(mean).to(x.dtype)
    noise = torch.as_tensor(noise).to(x.dtype)
    sd = torch.as_tensor(std).to(x.dtype).clamp(min=min_std)
    active = torch.as_tensor(active).to(x.dtype)
    steps, samples = noise.shape[:2]

    alpha = torch.full(mean.shape, float(alpha0), dtype=x.dtype, requires_grad=True)
    optimiser = torch.optim.Adam([alpha], lr=lr)
    capacity = torch.zeros_like(mean)
    labels = torch.full((samples,), int(target), dtype=torch.long)
    images = x.detach().expand(samples, -1, -1, -1)

    for step in range(steps):
        seen = []

        def bottleneck(module, inputs, output, step=step, seen=seen):
            features = output.detach()[0]  # the samples are copies of one image
            opening = _smooth(torch.sigmoid(alpha), sigma, kernel)

            mu = opening * (features - mean) / sd
            variance = (1 - opening) ** 2
            divergence = 0.5 * (mu**2 + variance - torch.log(variance) - 1)
            seen.append(divergence * active)

            noisy = []
            for sample in range(samples):
                epsilon = mean + sd * noise[step, sample]
                noisy.append((opening * features + (1 - opening) * epsilon) * active)
            return torch.stack(noisy)

        handle = layer.register_forward_hook(bottleneck)
        try:
            with torch.enable_grad():
                logits = model(images)
        finally:
            handle.remove()
        if len(seen) != 1:
            raise ValueError(f"the layer must run once in a forward, it ran {len(seen)} times")
        capacity = seen[0]

        with torch.enable_grad():
            loss = functional.cross_entropy(logits, labels) + beta * capacity.mean()
        # Only alpha's gradient: the network's parameters are left without one.
        (alpha.grad,) = torch.autograd.grad(loss, alpha)
        optimiser.step()

    return capacity.detach().numpy()


def _broadcasts(features: torch.Size, statistics: torch.Size) -> bool:
    """Whether torch combines the two spatial shapes without an error: equal or 1, per axis."""
    return all(f == s or f == 1 or s == 1 for f, s in zip(features, statistics, strict=True))


def _resized(values: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """(C, h0, w0) -> (C, *size), F.interpolate bilinear: half-pixel centres, no antialiasing."""
    return functional.interpolate(values[None], size=tuple(size), mode="bilinear")[0]


def iba_transformed(
    model: nn.Module,
    layer: nn.Module,
    x: torch.Tensor,
    target: int,
    mean: torch.Tensor,
    std: torch.Tensor,
    active: torch.Tensor,
    noise: torch.Tensor,
    beta: float = 10.0,
    lr: float = 1.0,
    alpha0: float = 5.0,
    min_std: float = 0.01,
    sigma: float = 1.0,
    kernel: int = 5,
) -> np.ndarray:
    """`information_bottleneck` where the layer has another size than the statistics.

    What the study's lib/IBA.py (_do_restrict_information, analyze, _get_saliency) does when
    routines/generation/IBA_augmentation_generation.py hands it a transformed image: mean, std,
    active and alpha are (C, h0, w0), the layer's size for untransformed images; the features R of
    this image are (C, h, w). `noise` (steps, samples, C, h, w) has the *features'* size in each
    case, as it is drawn with R's shape. alpha stays (C, h0, w0); lambda0 = blur(sigmoid(alpha))
    and sd = max(std, min_std) are made at (h0, w0). The sizes are not compared: the script tries
    R - mean and the rest, and resizes only where torch raises. Three cases:

    1. (h, w) = (h0, w0): nothing is resized; `information_bottleneck` itself.
       Capacity (C, h0, w0).
    2. (h, w) differs and does not broadcast (2 x 2 or larger, against 7 x 7): mean, sd (clamped
       before) and lambda0 are resized to (h, w), at every step as alpha changes (mean and sd once
       in effect: later it is from their own size); then the active mask, which stays fractional.
       Bilinear, align_corners False, no antialiasing (F.interpolate's defaults).
       Capacity (C, h, w), times the fractional mask.
    3. (h, w) = (1, 1): torch broadcasts, nothing raises, nothing is resized. R and the noise, ONE
       number a channel and sample, spread over (h0, w0):
           Z = (lambda0 R + (1 - lambda0) (mean + sd noise)) active, (C, h0, w0),
       which is also what the rest of the network gets in place of its 1 x 1 features.
       Capacity (C, h0, w0).

    In all: the loss is the cross-entropy + beta * mean of the capacity over its own size; the mask
    multiplies the capacity and, after mixing, Z. The capacity returned is the last forward's, in
    nats, >= 0. The map is `information_map(capacity, image size)`: always the transformed image's
    size, from whatever size the capacity has, then (m - min) / (max - min) without an epsilon
    (NaN where constant). Bilinear enlargement throughout (7 -> 32, 2 -> 64, 14 -> 448).
    """
    mean = torch.as_tensor(mean).to(x.dtype)
    noise = torch.as_tensor(noise).to(x.dtype)
    sd = torch.as_tensor(std).to(x.dtype).clamp(min=min_std)
    active = torch.as_tensor(active).to(x.dtype)
    steps, samples = noise.shape[:2]

    alpha = torch.full(mean.shape, float(alpha0), dtype=x.dtype, requires_grad=True)
    optimiser = torch.optim.Adam([alpha], lr=lr)
    capacity = torch.zeros_like(mean)

    for step in range(steps):
        seen = []

        def bottleneck(module, inputs, output, step=step, seen=seen):
            features = output.detach()[0]  # (C, h, w); the samples are copies of one image
            if noise[step, 0].shape != features.shape:
                raise ValueError(f"the noise must have the features' shape {features.shape}")
            opening = _smooth(torch.sigmoid(alpha), sigma, kernel)
            centre, spread, counts = mean, sd, active
            if not _broadcasts(features.shape[1:], mean.shape[1:]):
                opening = _resized(opening, features.shape[1:])
                centre = _resized(mean, features.shape[1:])
                spread = _resized(sd, features.shape[1:])
                counts = _resized(active, features.shape[1:])

            mu = opening * (features - centre) / spread
            variance = (1 - opening) ** 2
            divergence = 0.5 * (mu**2 + variance - torch.log(variance) - 1)
            seen.append(divergence * counts)

            noisy = []
            for sample in range(samples):
                epsilon = centre + spread * noise[step, sample]
                noisy.append((opening * features + (1 - opening) * epsilon) * counts)
            return torch.stack(noisy)

        handle = layer.register_forward_hook(bottleneck)
        try:
            with torch.enable_grad():
                logits = model(x.detach().expand(samples, -1, -1, -1))
        finally:
            handle.remove()
        if len(seen) != 1:
            raise ValueError(f"the layer must run once in a forward, it ran {len(seen)} times")
        capacity = seen[0]

        with torch.enable_grad():
            surprise = -torch.log_softmax(logits, dim=1)[:, int(target)].mean()
            loss = surprise + beta * capacity.mean()
        (alpha.grad,) = torch.autograd.grad(loss, alpha)
        optimiser.step()

    return capacity.detach().numpy()


def feature_statistics(
    batches: Iterable[torch.Tensor], threshold: float = 0.01
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean, std and active neurons of features R, each (C, h, w), from batches (n, C, h, w).

    lib/IBA.py's TorchWelfordEstimator, by the textbook formulas in float64: mean over images, std
    with divisor n - 1, active where R is non-zero in strictly more than `threshold` of the images.
    The script runs Welford's update in float32, image by image. mean and std float64, active bool.
    """
    features = torch.cat([batch.detach().double() for batch in batches])
    mean = features.mean(dim=0)
    std = torch.sqrt(((features - mean) ** 2).sum(dim=0) / (len(features) - 1))
    return mean, std, (features != 0).double().mean(dim=0) > threshold


def information_map(capacity: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """Capacity in nats (C, h, w) -> map in bits (H, W).

    Sum over channels, divided by ln 2, resized bilinearly (half-pixel centres, mirrored border:
    skimage's order 1 and mode "reflect", no anti-aliasing). The authors' package also multiplies
    by h * w / (H * W) so that the map sums to about the same number of bits; not done here, a
    min-max removes it. It sums with nansum, which counts the NaN of an inactive neuron whose
    lambda is 1 (infinity times 0) as 0; not done here, as ten steps of size 1 from alpha = 5 leave
    lambda below 1. Returns float32 >= 0.
    """
    height, width = (size, size) if isinstance(size, int) else size
    bits = np.asarray(capacity, dtype=np.float64).sum(axis=0) / math.log(2)
    resized = resize(
        bits, (height, width), order=1, mode="reflect", anti_aliasing=False, preserve_range=True
    )
    return resized.astype(np.float32)
