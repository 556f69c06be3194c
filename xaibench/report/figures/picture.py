"""How a map is shown: one colour map and one scale for all methods."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from numpy.typing import NDArray

_OPACITY = 0.6
_COLOURS = "viridis"
_BRIGHT = 0.99
SCALE = "dark 0, bright its 99th percentile"
"""How a map's colours are read."""

Picture = NDArray[np.floating]


def tint(saliency: Picture) -> Picture:
    """The map (H, W) in colour: (H, W, 3) in [0, 1].

    The brightest colour stands for the 99th percentile and above: a gradient's few peaks would
    leave the rest black.
    """
    bright = float(np.quantile(saliency, _BRIGHT)) or 1.0
    colours: Picture = colormaps[_COLOURS](np.clip(saliency / bright, 0, 1))[..., :3]
    return colours


def overlay(photograph: Picture, saliency: Picture) -> Picture:
    """The map (H, W) in colour over the photograph (H, W, 3) in grey: (H, W, 3) in [0, 1]."""
    grey = photograph @ np.array([0.299, 0.587, 0.114])
    mixed: Picture = (1 - _OPACITY) * grey[..., None] + _OPACITY * tint(saliency)
    return mixed


def scale(steps: int = 9) -> list[str]:
    """The colours of a map from 0 to the brightest, as `#rrggbb`."""
    return [to_hex(colormaps[_COLOURS](place)) for place in np.linspace(0, 1, steps)]
