"""Quickshift superpixels. Imports no torch: worker processes start with this module alone."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import quickshift

Segments = NDArray[np.int64]


def segment(image: NDArray[Any], kernel_size: float, max_dist: float, ratio: float) -> Segments:
    """Segments (H, W) int64 numbered 0..n-1 of an image (H, W, 3) (Vedaldi & Soatto 2008)."""
    found: Segments = quickshift(
        image, kernel_size=kernel_size, max_dist=max_dist, ratio=ratio, rng=42
    ).astype(np.int64)
    return found


@cache
def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def submit(image: NDArray[Any], workers: int, **options: float) -> Future[Segments]:
    """Segment on one of `workers` processes (0: here and now)."""
    if workers == 0:
        done: Future[Segments] = Future()
        done.set_result(segment(image, **options))
        return done
    # A spawned worker would run the caller's script again; it needs nothing of it.
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        return _pool(workers).submit(segment, image, **options)
    finally:
        sys.modules["__main__"] = main
