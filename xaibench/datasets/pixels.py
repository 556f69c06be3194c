"""Encoded images -> 8-bit pixels of the network's size, here or in a worker process.

Imports no torch, so that worker processes start fast and stay small.
"""

from __future__ import annotations

import errno
import io
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from xaibench import pool
from xaibench.datasets.blobs import Blob, Content, modified, read
from xaibench.datasets.decode import decode
from xaibench.errors import OF_THE_SYSTEM, XaibenchError

Pixels = NDArray[np.uint8]
Shape = tuple[int, int, int, int]
FEW = 8  # fewer images are read before workers are asked
START = 0.4  # seconds in which as many are read here as can be, before workers are started
CHUNK = 32  # images that a worker reads at once; Ctrl-C may have to wait for them
_SHARED = Path("/dev/shm")  # memory on Linux


@dataclass(frozen=True)
class Seen:
    """What an image's bytes were, and why they could not be decoded, or None."""

    content: Content
    reason: str | None = None


@dataclass(frozen=True)
class Geometry:
    """How a photograph gets the network's size: resized to `side`, then a centred square `crop`.

    squash: to a square of `side`; otherwise the short side becomes `side`.
    """

    side: int
    crop: int
    squash: bool
    interpolation: str = "bilinear"

    def apply(self, image: Image.Image) -> Pixels:
        """(3, crop, crop) of an RGB image, as torchvision's Resize and CenterCrop make it."""
        width, height = image.size
        short = min(width, height)
        scaled = [int(self.side * side / short) for side in (width, height)]
        new = (self.side, self.side) if self.squash else (scaled[0], scaled[1])
        resized = image.resize(new, Image.Resampling[self.interpolation.upper()])
        left, top = (round((side - self.crop) / 2.0) for side in new)
        cut = resized.crop((left, top, left + self.crop, top + self.crop))
        return np.asarray(cut).transpose(2, 0, 1)


def read_pixels(
    blobs: Sequence[Blob], geometry: Geometry, workers: int
) -> tuple[Pixels, list[Seen]]:
    """Decoded images (n, 3, H, W), and what was seen of each.

    On `workers` processes; in this one the first images before there are any, and fewer than FEW.
    """
    shape = (len(blobs), 3, geometry.crop, geometry.crop)
    if workers == 0 or len(blobs) < FEW:
        pixels = np.empty(shape, np.uint8)
        return pixels, fill(pixels, blobs, geometry)
    with shared(shape) as (name, pixels):
        seen: list[Seen] = []
        until = 0.0 if pool.started() else time.monotonic() + START
        while len(seen) < len(blobs) and time.monotonic() < until:
            seen.append(_fill(pixels[len(seen)], blobs[len(seen)], geometry))
        left = len(blobs) - len(seen)
        step = max(1, min(CHUNK, -(-left // (2 * workers))))
        jobs = [(at, blobs[at : at + step]) for at in range(len(seen), len(blobs), step)]
        parts = pool.gather(workers, fill_shared, jobs, name=name, shape=shape, geometry=geometry)
    return pixels, seen + [one for part in parts for one in part]


def fill(out: Pixels, blobs: Sequence[Blob], geometry: Geometry) -> list[Seen]:
    """Decode images into the rows of out (n, 3, H, W); says what was seen of each.

    Raises OSError for want of memory or file handles, which is no fault of the image.
    """
    return [_fill(row, blob, geometry) for row, blob in zip(out, blobs, strict=True)]


def _fill(row: Pixels, blob: Blob, geometry: Geometry) -> Seen:
    content = None
    try:
        data, content = read(blob)
        with Image.open(io.BytesIO(data)) as image:
            row[:] = geometry.apply(decode(image))
        return Seen(content)
    except UnidentifiedImageError:  # its text has a memory address
        reason = f"UnidentifiedImageError: cannot identify image file {blob.path.name!r}"
    except MemoryError:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in OF_THE_SYSTEM:
            raise
        text = str(error).replace(str(blob.path), blob.path.name)
        reason = f"{type(error).__name__}: {text}"
    return Seen(content or Content("", modified(blob.path)), reason)


def fill_shared(
    start: int, blobs: Sequence[Blob], *, name: str, shape: Shape, geometry: Geometry
) -> list[Seen]:
    """In a worker: `fill` the rows from `start` on of a shared file."""
    rows = np.memmap(name, np.uint8, "r+", shape=shape)[start : start + len(blobs)]
    return fill(rows, blobs, geometry)


@contextmanager
def shared(shape: Shape) -> Iterator[tuple[str, Pixels]]:
    """An array in a file that workers map by name; the file is deleted afterwards.

    Raises XaibenchError where there is no room for it.
    """
    size = math.prod(shape)
    roomy = _SHARED.is_dir() and shutil.disk_usage(_SHARED).free > 2 * size
    begin = f"xaibench-{os.getpid()}-"  # by which `xaibench doctor` knows a dead process's
    with tempfile.NamedTemporaryFile(dir=_SHARED if roomy else None, prefix=begin) as file:
        _reserve(file.fileno(), size)
        yield file.name, np.memmap(file.name, np.uint8, "r+", shape=shape)


def forget(process: int) -> None:
    """Delete the files of a process that was killed."""
    for folder in (_SHARED, Path(tempfile.gettempdir())):
        for path in folder.glob(f"xaibench-{process}-*"):
            path.unlink(missing_ok=True)


def _reserve(file: int, size: int) -> None:
    """Reserve the space now: writing to a sparse file on a full disk kills the process."""
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, size)
        else:
            os.ftruncate(file, size)
    except OSError as error:
        raise XaibenchError(
            f"no room for {size >> 10:,} KB of images in {tempfile.gettempdir()} "
            f"({error.strerror}): free some, or use --workers 0."
        ) from None
