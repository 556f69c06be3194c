"""Pointing game and energy-based pointing game of one map.

Not what the study's localisation scripts compute (evaluation/pointingGame.py; its README says that
they were not used for the paper): there rows are compared with xmin and xmax, so boxes are mirrored
at the diagonal, upper ends count as inside, and any one of several maxima in a box is a hit.

Boxes are (xmin, ymin, xmax, ymax) in pixels of the map, the upper ends exclusive.
"""

import numpy as np


def inside(row, column, boxes):
    """Whether the pixel lies in any of the boxes."""
    return any(xmin <= column < xmax and ymin <= row < ymax for xmin, ymin, xmax, ymax in boxes)


def pointing_game(m, boxes):
    """1.0 where the largest value of ``m`` (H, W), first in row-major order, is in a box; else 0.

    Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016, without that
    paper's tolerance of 15 pixels.
    """
    array = np.asarray(m)
    best, where = None, None
    for row in range(array.shape[0]):
        for column in range(array.shape[1]):
            if best is None or array[row, column] > best:
                best, where = array[row, column], (row, column)
    return 1.0 if inside(*where, boxes) else 0.0


def energy_pointing_game(m, boxes):
    """Share of the sum of ``m`` (H, W) inside the union of the boxes, in [0, 1].

    Wang et al., "Score-CAM", CVPRW 2020. NaN for an all-zero map.
    """
    array = np.asarray(m, dtype=np.float64)
    total, within = 0.0, 0.0
    for row in range(array.shape[0]):
        for column in range(array.shape[1]):
            value = float(array[row, column])
            total += value
            if inside(row, column, boxes):
                within += value
    return within / total if total > 0.0 else float("nan")
