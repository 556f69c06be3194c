"""The labels of ImageNet's validation images as its development kit and torchvision hold them."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from xaibench.config.files import read_text
from xaibench.datasets.ilsvrc import class_index
from xaibench.errors import XaibenchError

ARCHIVE = "ILSVRC2012_devkit_t12.tar.gz"
TRUTH = "ILSVRC2012_validation_ground_truth.txt"
META = "meta.mat"
TORCHVISION = "meta.bin"
LARGEST = 1 << 24  # bytes of a file of the devkit; ImageNet's have a few hundred thousand
REMEDY = f"put {ARCHIVE} (from image-net.org) beside the images"
_PARTS = ("", "data", "ILSVRC2012_devkit_t12/data", "devkit", "devkit/data")


@dataclass(frozen=True)
class Truth:
    """Class index of image i + 1 at place i, and the file that says so."""

    labels: tuple[int, ...]
    source: Path


def find(*folders: Path) -> Truth | None:
    """The labels from the first devkit in or under some folders, packed or not; None without.

    Raises XaibenchError where one is there that cannot be read.
    """
    for folder in folders:
        if (folder / ARCHIVE).is_file():
            return _packed(folder / ARCHIVE)
    unpacked = [folder / part for folder in folders for part in _PARTS]
    for folder in unpacked:
        if (folder / TRUTH).is_file():
            truth = _unpacked(folder / TRUTH, unpacked)
            if truth:
                return truth
    for folder in folders:
        if (folder / TORCHVISION).is_file():
            return _torchvision(folder / TORCHVISION)
    return None


def _packed(path: Path) -> Truth:
    try:
        with tarfile.open(path, "r:gz") as archive:
            held = {Path(m.name).name: archive.extractfile(m) for m in archive if m.isfile()}
            truth, meta = (_bytes(held.get(name)) for name in (TRUTH, META))
        return Truth(_labels(truth.decode(), io.BytesIO(meta), path), path)
    except (OSError, EOFError, zlib.error, tarfile.TarError, UnicodeDecodeError) as error:
        raise XaibenchError(
            f"cannot read {path} ({error or type(error).__name__}): copy or download it again."
        ) from None


def _bytes(file: IO[bytes] | None) -> bytes:
    if file is None:
        raise OSError(f"{TRUTH} or {META} is not in it")
    held = file.read(LARGEST + 1)
    if len(held) > LARGEST:
        raise OSError(f"{TRUTH} or {META} in it has more than {LARGEST:,} bytes")
    return held


def _unpacked(path: Path, folders: list[Path]) -> Truth | None:
    text = read_text(path, f"the devkit's {TRUTH}")
    if not text.split(maxsplit=1) or not text.split(maxsplit=1)[0].isdigit():
        return None  # a list of names can have this file name too
    near = [path.parent, *folders]
    meta = next((p / META for p in near if (p / META).is_file()), None)
    if meta is None:
        raise XaibenchError(
            f"{path} needs {META} to say which class each number is: put the devkit's "
            f"data/{META} beside it, or {ARCHIVE}."
        )
    with meta.open("rb") as file:
        return Truth(_labels(text, file, path), path)


def _labels(text: str, meta: BinaryIO, where: Path) -> tuple[int, ...]:
    """Ground truth (one ILSVRC2012 ID a line) through meta.mat to class indices."""
    classes = {str(identity): index for identity, index in _leaves(meta, where)}
    labels = []
    for line, word in enumerate(text.split(), 1):
        if word not in classes:
            raise XaibenchError(
                f"line {line} of {TRUTH} in {where} is '{word[:60]}', no ILSVRC2012 ID of a "
                f"class in {META} (1 to 1000): {REMEDY}, unchanged."
            )
        labels.append(classes[word])
    return tuple(labels)


def _leaves(meta: BinaryIO, where: Path) -> Iterator[tuple[int, int]]:
    """(ILSVRC2012 ID, class index) of the synsets without children, which are the classes."""
    import numpy as np
    from scipy.io import loadmat

    try:
        synsets = np.atleast_1d(loadmat(meta, squeeze_me=True)["synsets"])
        rows = [(int(s["ILSVRC2012_ID"]), str(s["WNID"]), int(s["num_children"])) for s in synsets]
    except Exception as error:  # on bad bytes scipy raises errors of any kind
        raise XaibenchError(
            f"cannot read the synsets of {META} with {where} ({type(error).__name__}): {REMEDY}."
        ) from None
    for identity, wnid, children in rows:
        if children == 0:
            yield identity, class_index(wnid, f"{META} with {where}")


def _torchvision(path: Path) -> Truth:
    """Torchvision's cache of the devkit: (names by WordNet id, WordNet id of every image)."""
    import torch

    try:
        _, wnids = torch.load(path, weights_only=True)
        indices = {wnid: class_index(wnid, str(path)) for wnid in set(wnids)}
    except XaibenchError:
        raise
    except Exception as error:
        raise XaibenchError(
            f"cannot read {path} as torchvision's ({type(error).__name__}): {REMEDY}."
        ) from None
    return Truth(tuple(indices[wnid] for wnid in wnids), path)
