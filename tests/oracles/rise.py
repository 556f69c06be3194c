"""Oracles for RISE (Petsiuk, Das, Saenko 2018)."""

import math

import numpy as np
import torch
from skimage.transform import resize
from torch import nn


def mask_from_grid(grid: np.ndarray, shift_y: int, shift_x: int, size: int) -> np.ndarray:
    """One mask from its binary grid: section 3.2 of the paper, as the authors' code makes it.

    `grid` (s, s) of 0 and 1 is resized bilinearly (half-pixel centres, mirrored border: skimage's
    order 1 and mode "reflect", no anti-aliasing) to (s + 1) * ceil(size / s) squared, and the
    window of size x size at (shift_y, shift_x) is cut out; 0 <= shift < ceil(size / s).
    Returns (size, size) float32 in [0, 1].
    """
    s = grid.shape[0]
    cell = math.ceil(size / s)
    if not (0 <= shift_y < cell and 0 <= shift_x < cell):
        raise ValueError(f"shifts must be in [0, {cell})")
    large = resize(
        grid.astype(np.float64),
        ((s + 1) * cell, (s + 1) * cell),
        order=1,
        mode="reflect",
        anti_aliasing=False,
    )
    return large[shift_y : shift_y + size, shift_x : shift_x + size].astype(np.float32)


def rise(
    model: nn.Module,
    x: torch.Tensor,
    target: int,
    masks: np.ndarray | torch.Tensor,
    p: float,
    weights: str = "probability",
) -> np.ndarray:
    """Equation 6 of the paper: sum_i f(x * M_i) M_i, divided by N * p.

    `model` maps normalised images (1, 3, H, W) to logits; the masks (N, H, W) in [0, 1] multiply
    the normalised input `x` (1, 3, H, W), so that masked means the mean colour; p is the
    probability of a grid cell being 1. f is the target's softmax probability
    (`weights="probability"`, the paper) or its logit (`weights="logit"`). The mean of the masks
    over i, which a map has even where f is constant, is not taken away.
    One forward a mask; the sum is kept in float64. Returns (H, W) float64.
    """
    if weights not in ("logit", "probability"):
        raise ValueError("weights must be 'logit' or 'probability'")
    masks = torch.as_tensor(masks, dtype=x.dtype)
    total = np.zeros(tuple(x.shape[-2:]), dtype=np.float64)
    for mask in masks:
        with torch.no_grad():
            logits = model(x * mask[None, None])[0]
        if weights == "logit":
            score = logits[target].item()
        else:
            score = torch.softmax(logits.double(), dim=0)[target].item()
        total = total + score * mask.double().numpy()
    return total / (len(masks) * p)
