"""Photographs for whoever has none: the embedded ones, flipped and cropped, as JPEG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from xaibench.datasets.load import load_dataset


def augmented(folder: Path, count: int) -> Path:
    """Write `count` photographs into subfolders named by class index; the same ones every time.

    The first 20 are the embedded ones' pixels; then mirrored ones and crops of nine tenths.
    """
    dataset = load_dataset("samples")
    draw = np.random.default_rng(0)
    for number in range(count):
        again, place = divmod(number, len(dataset))
        with Image.open(dataset.blob(place).path) as file:
            image = file.convert("RGB")
        if again % 2:
            image = ImageOps.mirror(image)
        if again:
            width, height = (round(0.9 * side) for side in image.size)
            left = int(draw.integers(image.width - width + 1))
            top = int(draw.integers(image.height - height + 1))
            image = image.crop((left, top, left + width, top + height))
        into = folder / str(dataset.labels[place])
        into.mkdir(parents=True, exist_ok=True)
        image.save(into / f"{number:03}.jpg", quality=90)
    return folder
