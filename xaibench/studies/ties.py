"""How many pixels of a method's maps share their value with another: what a tie order decides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from xaibench.analysis.columns import TARGET_NAMES
from xaibench.analysis.ties import Tied
from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.read import MapReader

IMAGES = 100


def measure_ties(
    root: Path, images: int = IMAGES, say: Callable[[str], None] = lambda _line: None
) -> Tied | None:
    """Shares of tied pixels in the stored maps of untouched images, as they are scored.

    Of each method the first `images` of the run that have a map, for the ground-truth class or the
    first target that there are maps of; None where there are none. A method whose maps are damaged,
    or whose code is gone, is left out, and say gets the reason.
    """
    for target in TARGET_NAMES:
        shares: dict[str, list[float]] = {}
        for method in layout.mapped(root, target):
            try:
                found = tied_shares(root, method, target, images)
                shares |= {method: found} if found else {}
            except XaibenchError as error:
                say(f"The report on ties leaves out {method}: {error}")
        if shares:
            return Tied(target, shares)
    return None


def tied_shares(root: Path, method: str, target: str, images: int = IMAGES) -> list[float]:
    """Shares of tied pixels of a method's first stored maps, those that are not finite left out.

    Raises XaibenchError without any map.
    """
    reader = MapReader(root, method, target)
    maps = reader.take(reader.ids[:images]).values()
    return [float(tied_share(map_[None])) for map_ in maps if map_.isfinite().all()]


def tied_share(maps: Tensor) -> Tensor:
    """Share (B,) of the pixels of maps (B, H, W) whose value occurs at least twice in the map."""
    values = maps.flatten(1).sort(dim=1).values
    same = values[:, 1:] == values[:, :-1]
    edge = torch.zeros(len(values), 1, dtype=torch.bool)
    return (torch.cat([same, edge], 1) | torch.cat([edge, same], 1)).double().mean(1)
