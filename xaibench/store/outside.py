"""Maps that were made elsewhere, read from NumPy files."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xaibench.errors import XaibenchError, reason
from xaibench.store.maps import checksum

FORM = "write it with numpy.savez(FILE, ids=image_ids, maps=maps), ids (N,), maps (N, h, w)"


@dataclass(frozen=True)
class Outside:
    """Native maps by image. ids: sorted, each once; maps (N, h, w) float32, finite, signed.

    sha256: of ids and maps, however they are spread over files.
    """

    ids: tuple[str, ...]
    maps: Tensor
    sha256: str


def read_maps(path: Path) -> Outside:
    """Maps of an .npz with `ids` (N,) and `maps` (N, h, w), or of a folder.

    A folder holds such .npz files, or one `<image id>.npy` (h, w) for each image, in subfolders
    where the id has slashes; all maps have one size. Real numbers of any type become float32.
    Raises XaibenchError for what is damaged, missing, twice there, of another shape or not finite.
    """
    places: dict[str, Path] = {}
    held: list[tuple[str, NDArray[np.float32]]] = []
    for file in _files(path):
        for image, values in _read(file, path):
            if image in places:
                raise XaibenchError(
                    f"{image} has two maps, in {places[image]} and {file}: drop one."
                )
            if held and values.shape != held[0][1].shape:
                first, size = held[0][0], held[0][1].shape
                raise XaibenchError(
                    f"the map of {image} in {file} has {_size(values.shape)} values, that of "
                    f"{first} {_size(size)}: bring all to one size."
                )
            places[image] = file
            held.append((image, values))
    if not held:
        raise XaibenchError(f"{path} holds no maps: {FORM}.")
    held.sort(key=lambda pair: pair[0])
    bad = [image for image, values in held if not np.isfinite(values).all()]
    if bad:
        raise XaibenchError(
            f"{len(bad)} of {len(held)} maps hold NaN, or numbers too large for float32, first "
            f"that of {bad[0]} in {places[bad[0]]}: leave these images out, or mend their maps."
        )
    ids = tuple(image for image, _ in held)
    maps = torch.from_numpy(np.stack([values for _, values in held]))
    return Outside(ids, maps, checksum({"maps": maps}, ids))


def _files(path: Path) -> list[Path]:
    """The files to read, sorted: all .npz, or all .npy."""
    if not path.exists():
        raise XaibenchError(f"{path} does not exist: give an .npz file of maps, or a folder.")
    if not path.is_dir():
        if path.suffix != ".npz":
            raise XaibenchError(f"{path} is no .npz file: {FORM}.")
        return [path]
    found = {suffix: sorted(path.rglob(f"*{suffix}")) for suffix in (".npz", ".npy")}
    if all(found.values()):
        raise XaibenchError(f"{path} holds .npz and .npy files: keep those of one kind.")
    return found[".npz"] or found[".npy"]


def _read(file: Path, root: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Image ids of a file with their maps (h, w)."""
    arrays = _load(file)
    if file.suffix == ".npy":
        maps, ids = arrays["maps"], [file.relative_to(root).as_posix().removesuffix(".npy")]
        if maps.ndim != 2:
            raise XaibenchError(f"{file} holds {_size(maps.shape)} values: one map is (h, w).")
        maps = maps[None]
    else:
        lacking = [name for name in ("ids", "maps") if name not in arrays]
        if lacking:
            there = ", ".join(arrays) or "nothing"
            raise XaibenchError(f"{file} has no {' and no '.join(lacking)} ({there}): {FORM}.")
        maps, ids = arrays["maps"], _ids(arrays["ids"], file)
        if maps.ndim != 3:
            raise XaibenchError(f"maps in {file} are {_size(maps.shape)}: they must be (N, h, w).")
        if len(maps) != len(ids):
            raise XaibenchError(f"{file} has {len(ids)} ids for {len(maps)} maps: {FORM}.")
    if maps.dtype.kind not in "fiub":
        raise XaibenchError(f"maps in {file} are {maps.dtype}: they must be real numbers.")
    if len(maps) and not maps[0].size:
        raise XaibenchError(f"maps in {file} are {_size(maps.shape)}: they hold no values.")
    with np.errstate(over="ignore"):  # what becomes infinite is refused later
        yield from zip(ids, maps.astype(np.float32, copy=False), strict=True)


def _load(file: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file; an .npy's under `maps`. Nothing in it is unpickled."""
    try:
        found = np.load(file, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {"maps": found}
        with found:
            return {n: found[n] for n in found.files if n in ("ids", "maps")} | {
                n: np.empty(0) for n in found.files if n not in ("ids", "maps")
            }
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise XaibenchError(
            f"{file} cannot be read as arrays of numbers or text ({reason(error)}): write it again "
            "with numpy."
        ) from None


def _ids(array: NDArray[Any], file: Path) -> list[str]:
    """Image ids as text."""
    if array.ndim != 1 or array.dtype.kind not in "SU":
        raise XaibenchError(
            f"ids in {file} are {array.dtype} {array.shape}: they must be the images' ids as text, "
            "(N,)."
        )
    try:
        ids = [i.decode() if isinstance(i, bytes) else str(i) for i in array.tolist()]
    except UnicodeDecodeError:
        raise XaibenchError(f"ids in {file} are not UTF-8: write them as text.") from None
    if "" in ids:
        raise XaibenchError(f"id {ids.index('')} in {file} is empty: name the image.")
    return ids


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "1"
