"""Localization: do maps point into the object's bounding boxes?"""

from __future__ import annotations

import torch
from torch import Tensor

from xaibench.ops.rows import one_thread
from xaibench.registry import metric
from xaibench.types import Rows, Scoring, Values


@metric(
    keys={
        "pointing_game": {
            "title": "Pointing game",
            "short": "PG",
            "doc": "1 where the map's maximum lies in a bounding box.",
            "direction": "higher",
            "range": (0, 1),
            "unit": "share of images",
            "mean": "share of passes",
            "citation": "zhang2018pointing",
            "group": "localisation",
        },
        "energy_pointing_game": {
            "title": "Energy pointing game",
            "short": "EPG",
            "doc": "Share of the map inside the bounding boxes.",
            "direction": "higher",
            "range": (0, 1),
            "unit": "share of the map",
            "citation": "wang2020scorecam",
            "group": "localisation",
        },
    },
    needs=("boxes",),
    opt_in=True,
    cost=lambda **_: 0,
    citation="zhang2018pointing",
)
def pointing(scoring: Scoring) -> Values:
    """Pointing game (Zhang et al. 2018) and its energy form (Wang et al. 2020).

    Boxes (x_min, y_min, x_max, y_max) in input pixels, inclusive-exclusive, union of all. The
    maximum is the first in row-major order. Images without a box are `no_box`; an all-zero map has
    no energy (NaN).
    """
    boxes = scoring.extras.get("boxes") or [None] * len(scoring.batch)
    inside = torch.stack([_inside(b, scoring.batch.size) for b in boxes]).to(scoring.maps.device)
    flat, covered = scoring.maps.double().flatten(1), inside.flatten(1)
    hit = covered.gather(1, flat.argmax(1, keepdim=True))[:, 0].double()
    with one_thread():
        energy = (flat * covered).sum(1) / flat.sum(1)
    statuses = tuple("ok" if b else "no_box" for b in boxes)
    return {"pointing_game": Rows(hit, statuses), "energy_pointing_game": Rows(energy, statuses)}


def _inside(boxes: list[tuple[float, float, float, float]] | None, size: tuple[int, int]) -> Tensor:
    """Pixels (H, W) whose centre lies in any of the boxes."""
    rows = torch.arange(size[0])[:, None] + 0.5
    columns = torch.arange(size[1])[None] + 0.5
    inside = torch.zeros(size, dtype=torch.bool)
    for x_min, y_min, x_max, y_max in boxes or ():
        inside |= (x_min <= columns) & (columns < x_max) & (y_min <= rows) & (rows < y_max)
    return inside
