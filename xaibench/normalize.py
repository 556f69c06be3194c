"""Native map -> one channel at input size in [0, 1]; a pure function, applied on reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from xaibench.errors import unknown
from xaibench.ops.resize import Border, minmax, upsample

STATUS_OK, STATUS_CONSTANT, STATUS_NONFINITE = "ok", "constant_map", "nonfinite"
STATUS_FAILED = "failed"


STEPS = {
    "rectify": ("none", "relu", "abs"),
    "native_minmax": (True, False),
    "border": ("clamp", "mirror"),
    "transpose": (True, False),
}
ON_TRANSFORMS_ALONE = {"transpose"}
"""Steps that a protocol asks for and that maps of untouched images never go through."""


@dataclass(frozen=True)
class Normalization:
    """The steps between a native map and [0, 1].

    rectify: what to do with negative values first. native_minmax: whether to min-max at native
    size before upsampling as well as after. border: the upsampling's border. transpose: whether
    the map is mirrored at the image's diagonal in the end, as the gradient methods' maps of
    transformed inputs were by the way in which the paper's scripts saved and loaded them; a
    protocol's transpose holds for transformed inputs alone (`MethodRequest.steps`).
    """

    rectify: Literal["none", "relu", "abs"] = "none"
    native_minmax: bool = False
    border: Border = "clamp"
    transpose: bool = False


def normalization(*layers: Mapping[str, Any]) -> Normalization:
    """Steps from layers of values, later ones over earlier; UsageError for an unknown step."""
    values: dict[str, Any] = {}
    for layer in layers:
        for name in layer:
            if name not in Normalization.__dataclass_fields__:
                raise unknown("normalization step", name, Normalization.__dataclass_fields__)
        values |= layer
    for name, value in values.items():
        choices = STEPS[name]
        if not any(value is c or (isinstance(c, str) and value == c) for c in choices):
            raise unknown(f"value of {name}", str(value), [str(c) for c in choices])
    return Normalization(**values)


def normalize(native: Tensor, size: tuple[int, int], steps: Normalization) -> Tensor:
    """Signed native maps (B, h, w) -> (B, H, W) in [0, 1]; constant maps become zeros.

    A map with a value that is not finite comes out as NaN everywhere.
    """
    maps = native.float()
    maps = torch.where(maps.isfinite().flatten(1).all(1).view(-1, 1, 1), maps, torch.nan)
    if steps.rectify == "relu":
        maps = maps.clamp(min=0)
    elif steps.rectify == "abs":
        maps = maps.abs()
    if steps.native_minmax:
        maps = minmax(maps)
    maps = minmax(upsample(maps, size, steps.border))
    return maps.transpose(-2, -1).contiguous() if steps.transpose else maps


def statuses(maps: Tensor) -> list[str]:
    """The status of each normalised map (B, H, W): ok, constant_map (all zeros) or nonfinite."""
    flat = maps.flatten(1)
    bad, constant = flat.isnan().any(1).tolist(), (flat == 0).all(1).tolist()
    return [
        STATUS_NONFINITE if b else STATUS_CONSTANT if c else STATUS_OK
        for b, c in zip(bad, constant, strict=True)
    ]
