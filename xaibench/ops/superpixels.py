"""Quickshift superpixels. Imports no torch, so that worker processes start fast."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaibench import pool

Segments = NDArray[np.int64]


def segment(image: NDArray[Any], kernel_size: float, max_dist: float, ratio: float) -> Segments:
    """Segments (H, W) int64 numbered 0..n-1 of an image (H, W, 3) (Vedaldi & Soatto 2008)."""
    from skimage.segmentation import quickshift

    segments: Segments = quickshift(
        image, kernel_size=kernel_size, max_dist=max_dist, ratio=ratio, rng=42
    ).astype(np.int64)
    return segments


def submit(image: NDArray[Any], workers: int, **options: float) -> Future[Segments]:
    """Segment on one of `workers` processes (0: in this one, at once)."""
    return pool.submit(workers, segment, image, **options)
