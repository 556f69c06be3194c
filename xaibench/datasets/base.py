"""A dataset as the stages see it: ordered ids, labels and bytes."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from xaibench.datasets.blobs import Blob, File, modified
from xaibench.errors import XaibenchError

BLOCK = 80
WAYS = 100
"""So many links may lead to one folder; links to each other are more ways than can be walked."""
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm"}


@dataclass(frozen=True)
class Dataset:
    """Images in one fixed order.

    ids: unique, the file's path relative to the root, or a name inside an archive. labels: class
    index, -1 for none. blobs: where each image's bytes lie; empty where ids are files of the root.
    """

    name: str
    root: Path
    ids: tuple[str, ...]
    labels: tuple[int, ...]
    blobs: tuple[Blob, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def blob(self, index: int) -> Blob:
        """Where the bytes of the image at that place lie."""
        return self.blobs[index] if self.blobs else File(self.root / self.ids[index])

    def modified(self, index: int) -> int:
        """When the file that holds the image at that place last changed, in ns; -1: it is gone."""
        return modified(self.blobs[index].path if self.blobs else f"{self.root}/{self.ids[index]}")

    def open(self, index: int) -> BinaryIO:
        """The encoded image at that place; OSError where it cannot be read."""
        return self.blob(index).open()

    @property
    def labelled(self) -> bool:
        """Whether every image has a class."""
        return bool(self.labels) and min(self.labels) >= 0

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every image's id, label and size in the full order; reads no image."""
        hashed = hashlib.sha256()
        for index, (name, label) in enumerate(zip(self.ids, self.labels, strict=True)):
            hashed.update(f"{name}\x1f{label}\x1f{self.blob(index).size}\n".encode())
        return hashed.hexdigest()

    @property
    def block_size(self) -> int:
        """Images in a block of the full order."""
        return block_size(len(self))


def block_size(images: int) -> int:
    """Images in a block of a dataset: a multiple of 16, 20 and 80, and of a group's five."""
    return BLOCK if images <= 100 * BLOCK else 4 * BLOCK


def is_image(name: str) -> bool:
    """Whether a file's name has the suffix of an image, and is not hidden."""
    dot = name.rfind(".")
    return name[dot:].lower() in SUFFIXES and not name.rpartition("/")[2].startswith(".")


def files_below(root: Path) -> list[str]:
    """Image files below a folder, sorted by path relative to it, with forward slashes.

    Raises XaibenchError for a missing or empty folder.
    """
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise XaibenchError(f"data folder {root} {what}; check --data.")
    paths = sorted(
        (Path(folder) / name).relative_to(root).as_posix()
        for folder, _, names in walk(root)
        for name in names
        if is_image(name)
    )
    if not paths:
        kinds = ", ".join(sorted(SUFFIXES))
        raise XaibenchError(
            f"no images below {root}; looked for {kinds}, ILSVRC2012_img_val.tar, Parquet shards "
            "with a column of images, and WebDataset tars; check --data."
        )
    check_utf8(paths, f"below {root}")
    return paths


def walk(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """`os.walk` through links to folders, except into a folder that the way there leads through.

    Raises XaibenchError for a folder that cannot be read, or to which too many ways lead.
    """
    seen: Counter[tuple[int, int]] = Counter()

    def refuse(error: OSError) -> None:
        raise XaibenchError(f"cannot read the folder {error.filename}: {error.strerror}.")

    ways = {root: frozenset([_place(root)])}
    for folder, inner, names in os.walk(root, followlinks=True, onerror=refuse):
        way = ways.pop(Path(folder))
        places = {name: _place(Path(folder) / name) for name in inner}
        inner[:] = [name for name in inner if places[name] not in way]
        seen.update(places[name] for name in inner)
        if any(seen[places[name]] > WAYS for name in inner):
            raise XaibenchError(
                f"links below {root} lead to one folder in more than {WAYS} ways (last: {folder}): "
                "take them out."
            )
        yield folder, inner, names
        ways |= {Path(folder) / name: way | {places[name]} for name in inner}


def _place(folder: Path) -> tuple[int, int]:
    held = folder.stat()
    return held.st_dev, held.st_ino


def check_utf8(names: Iterable[str], where: str) -> None:
    """XaibenchError for the first name that is not UTF-8."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise XaibenchError(
                f"the file name {name!a} {where} is not UTF-8: rename it."
            ) from None
