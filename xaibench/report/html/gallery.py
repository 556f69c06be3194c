"""What the gallery is given: strips of pictures, curves, and what could not be had."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Curves = Mapping[str, NDArray[np.float64]]
"""Image -> the numbers that a value comes from (S,)."""


@dataclass(frozen=True)
class Shown:
    """An image of the gallery.

    Attributes:
        image: its id.
        strip: JPEG: the photograph, then every method's map over it, side by side; None where there
            is neither.
        pictured: whether the photograph is there.
        mapped: the methods that have a map.
        apart: 1 - Spearman's correlation of the maps, mean over every two methods; None where it is
            not defined.
    """

    image: str
    strip: bytes | None
    pictured: bool
    mapped: frozenset[str] = frozenset()
    apart: float | None = None


@dataclass(frozen=True)
class Gallery:
    """The images of a run that are shown.

    Attributes:
        target: the explained class.
        total: how many images have scores; those shown are spread evenly over their order.
        methods: specs, as in the strips.
        images: ids, in the order of the dataset.
        pictures: of each image, one after the other, made as they are asked for.
        size: height and width of a picture in a strip, in pixels.
        colours: from the darkest to the brightest, as CSS has them.
        curves: by metric and method.
        class_name: what a class is called.
        notes: what is not there, and how to get it; added to while pictures are made.
    """

    target: str
    total: int
    methods: Sequence[str]
    images: Sequence[str]
    pictures: Iterable[Shown]
    size: tuple[int, int]
    colours: Sequence[str]
    curves: Mapping[str, Mapping[str, Curves]]
    class_name: Callable[[int], str]
    notes: list[str] = field(default_factory=list)
