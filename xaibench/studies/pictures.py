"""Normalised maps as pictures, one PNG an image."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from xaibench.report.figures.picture import tint
from xaibench.store import layout
from xaibench.store.atomic import read_json, write


def write_pngs(maps: Path) -> Path:
    """The maps of an .npy file (`stages.normalize.materialize`) in colour, in a folder beside it.

    `<image id>.png` each, in the colours and the scale of the contact sheet: 8 bits, dark 0, bright
    the map's 99th percentile. Returns the folder.
    """
    folder, made = maps.with_suffix(""), set[Path]()
    for image, values in zip(read_json(maps.with_suffix(".json")), np.load(maps), strict=True):
        picture = Image.fromarray((255 * tint(values)).round().astype(np.uint8))
        *inside, name = image.split("/")
        path = folder.joinpath(*map(layout.file_name, inside), layout.file_name(name, ".png"))
        write(path, partial(picture.save, format="PNG"))
        made.add(path)
    for path in folder.rglob("*.png"):  # of images that are no longer there
        if path not in made:
            path.unlink()
    return folder
