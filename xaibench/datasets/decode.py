"""Any file that Pillow opens -> 8-bit RGB, as ImageNet pipelines do it."""

from __future__ import annotations

import numpy as np
from PIL import Image


def decode(image: Image.Image) -> Image.Image:
    """8-bit RGB of a greyscale, CMYK, palette, RGBA or 16-bit image; alpha is dropped.

    16-bit greyscale is scaled to 8 bits (Pillow's own conversion clips it to white). The EXIF
    orientation is ignored, as in torchvision's ImageNet loader.
    """
    if image.mode.startswith("I;16") or image.mode == "I":
        values = np.asarray(image, dtype=np.int64).clip(0, 65535)
        return Image.fromarray((values / 257).round().astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        scale = 255.0 if values.max(initial=0) <= 1 else 1.0
        return Image.fromarray((values * scale).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")
