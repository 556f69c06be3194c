"""ImageNet's bounding boxes (PASCAL VOC XML), in pixels of the network's input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

from xaibench.datasets.blobs import File
from xaibench.datasets.ilsvrc import stem
from xaibench.errors import XaibenchError
from xaibench.models.classifier import InputSpec

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Boxes:
    """A folder of annotation files, one an image, named like it: ILSVRC2012_val_00000001.xml."""

    root: Path

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """The annotation files by image stem; XaibenchError where the folder has none."""
        files: dict[str, list[Path]] = {}
        for path in sorted(self.root.rglob("*.xml")):
            files.setdefault(path.stem, []).append(path)
        if not files:
            raise XaibenchError(f"no .xml files below {self.root}; check --boxes.")
        return files

    def of(self, ids: Sequence[str], spec: InputSpec, resize: str) -> list[list[Box] | None]:
        """Boxes of images in input pixels; None where an image has no file or none in the crop."""
        return [self._one(stem(i), spec, resize) for i in ids]

    def _one(self, stem: str, spec: InputSpec, resize: str) -> list[Box] | None:
        paths = self.files.get(stem)
        if paths is None:
            return None
        path = paths[0]
        if len(paths) > 1:
            raise XaibenchError(f"{path} and {paths[1]} are of one image: keep one of them.")
        try:
            with File(path).open() as file:
                tree = ElementTree.parse(file).getroot()
            width, height = (int(_text(tree, f"size/{side}")) for side in ("width", "height"))
            boxes = [
                tuple(_number(node, edge) for edge in ("xmin", "ymin", "xmax", "ymax"))
                for node in tree.iterfind("object/bndbox")
            ]
            if min(width, height) < 1:
                raise ValueError(f"<size> is {width} x {height}")
        except (ElementTree.ParseError, ValueError, LookupError, OSError) as error:
            raise XaibenchError(f"cannot read {path} ({error}); it must be VOC XML.") from None
        moved = [carry(b, (width, height), spec, resize) for b in boxes if len(b) == 4]
        return [b for b in moved if b[0] < b[2] and b[1] < b[3]] or None


def _number(node: ElementTree.Element, path: str) -> float:
    value = float(_text(node, path))
    if not math.isfinite(value):
        raise ValueError(f"<{path}> is {value}")
    return value


def _text(node: ElementTree.Element, path: str) -> str:
    text = node.findtext(path)
    if text is None:
        raise ValueError(f"<{path}> is missing")
    return text


def carry(box: tuple[float, ...], size: tuple[int, int], spec: InputSpec, resize: str) -> Box:
    """A box (x_min, y_min, x_max, y_max) of a (width, height) photograph in input pixels, clipped.

    The same resize and centre crop as the image's own (see `InputSpec.preprocess`).
    """
    width, height = size
    if resize == "squash":
        new = (spec.resize, spec.resize)
    else:
        short = min(width, height)
        new = (int(spec.resize * width / short), int(spec.resize * height / short))
    left, top = (round((side - spec.crop) / 2.0) for side in new)
    scale_x, scale_y = new[0] / width, new[1] / height

    def clip(value: float) -> float:
        return min(max(value, 0.0), float(spec.crop))

    x_min, y_min, x_max, y_max = box
    return (
        clip(x_min * scale_x - left),
        clip(y_min * scale_y - top),
        clip(x_max * scale_x - left),
        clip(y_max * scale_y - top),
    )
