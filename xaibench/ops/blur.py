"""The blurred image from which insertion starts (Petsiuk et al. 2018, official code)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def blur_kernel(size: int, sigma: float) -> Tensor:
    """Weights (size, size) float32: a delta filtered by scipy's Gaussian with reflect boundary.

    With sigma as large as the window the reflections fill it: practically a flat box.
    """
    from scipy.ndimage import gaussian_filter

    delta = np.zeros((size, size))
    delta[size // 2, size // 2] = 1.0
    return torch.from_numpy(gaussian_filter(delta, sigma)).float()


def blur(images: Tensor, size: int, sigma: float) -> Tensor:
    """Each channel of (B, 3, H, W) convolved with `blur_kernel`, zero padding size // 2."""
    channels = images.shape[1]
    kernel = blur_kernel(size, sigma).to(images).expand(channels, 1, size, size)
    return F.conv2d(images, kernel, padding=size // 2, groups=channels)
