"""ImageNet's validation images in one folder, as the archive unpacks, with a list of labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xaibench.datasets import devkit, ilsvrc
from xaibench.datasets.base import Dataset, is_image
from xaibench.datasets.blobs import File
from xaibench.datasets.imagefolder import has_classes
from xaibench.datasets.imagenet_archive import numbered
from xaibench.datasets.lists import lines, pair
from xaibench.errors import XaibenchError
from xaibench.registry import dataset

HEAD = 10_000  # bytes of a line that are read to see what a file is


@dataset(order=40)
def imagenet_flat(source: str) -> Dataset | None:
    """PATH with ILSVRC2012_val_*.JPEG (or PATH/val), labels in a CSV or the devkit's list nearby.

    Ids are paths relative to PATH, in the order of their numbers. None where most of the folder's
    images have other names.
    """
    root = Path(source)
    for folder in (root, root / "val"):
        names = _images(folder)
        known = [name for name in names if ilsvrc.number(name) is not None]
        if not known or 2 * len(known) <= len(names) or has_classes(folder):
            continue
        if len(known) < len(names):
            other = next(name for name in names if ilsvrc.number(name) is None)
            raise XaibenchError(
                f"{len(names) - len(known)} of {len(names):,} images in {folder} are none of "
                f"ImageNet's validation images (first: {other}): take them out."
            )
        names = [names[i] for i in ilsvrc.in_order(names)]
        labels = _labels(folder, names)
        ids = tuple((folder / name).relative_to(root).as_posix() for name in names)
        return Dataset(ilsvrc.dataset_name(root, ids, labels), root, ids, labels)
    return None


def _images(folder: Path) -> list[str]:
    """The image files right in a folder, by name."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if is_image(e.name) and not _is_folder(e))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _labels(folder: Path, names: list[str]) -> tuple[int, ...]:
    """The images' classes: a list that names just them, the devkit's, or the names' own."""
    lists = list(_lists(folder))
    wanted = {ilsvrc.stem(name) for name in names}
    exact = [one for one in lists if one.labels.keys() == wanted]
    if exact:
        tables = [one.of(names) for one in exact]
        for one, table in zip(exact, tables, strict=True):
            if table != tables[0]:
                raise XaibenchError(
                    f"{exact[0].path} and {one.path} label the images differently: remove one."
                )
        return tables[0]
    truth = devkit.find(folder, folder.parent)
    if truth:
        return numbered(names, truth, folder)[1]
    appended = [ilsvrc.appended_wnid(name) for name in names]
    if None not in appended:
        return ilsvrc.class_indices([str(wnid) for wnid in appended], str(folder))
    if lists:
        raise _disagreement(folder, names, max(lists, key=lambda one: len(one.labels)))
    raise XaibenchError(
        f"{folder} has {len(names):,} of ImageNet's validation images but not their labels: "
        f"{devkit.REMEDY}, or a CSV of `name,label` lines (class index from 0, or WordNet id)."
    )


@dataclass(frozen=True)
class _List:
    """A text file's labels by official stem."""

    path: Path
    labels: dict[str, str]

    def of(self, names: list[str]) -> tuple[int, ...]:
        return ilsvrc.class_indices((self.labels[ilsvrc.stem(n)] for n in names), str(self.path))


def _lists(folder: Path) -> Iterator[_List]:
    """The lists of official names with labels in a folder and beside it."""
    for near in (folder, folder.parent):
        for path in sorted([*near.glob("*.csv"), *near.glob("*.txt")]):
            if _looks_like_one(path):
                yield _List(path, _read(path))


def _looks_like_one(path: Path) -> bool:
    try:
        with File(path).open() as file:
            head = [file.readline(HEAD).decode("utf-8-sig") for _ in range(2)]
    except (OSError, UnicodeDecodeError):
        return False
    pairs = [pair(line.strip()) for line in head]
    return any(one is not None and ilsvrc.number(one[0]) is not None for one in pairs)


def _read(path: Path) -> dict[str, str]:
    labels: dict[str, str] = {}
    for number, line in enumerate(lines(path), 1):
        one = pair(line)
        if one is None or ilsvrc.number(one[0]) is None:
            if number == 1:
                continue  # a header
            raise XaibenchError(f"line {number} of {path} is no `name,label`: '{line[:60]}'.")
        name = ilsvrc.stem(one[0])
        if labels.setdefault(name, one[1]) != one[1]:
            raise XaibenchError(f"{path} has two labels for {name}: {labels[name]} and {one[1]}.")
    return labels


def _disagreement(folder: Path, names: list[str], listed: _List) -> XaibenchError:
    """What a list has and the folder has not, or the other way round."""
    held = {ilsvrc.stem(name) for name in names}
    lacking = [name for name in listed.labels if name not in held]
    bare = [name for name in names if ilsvrc.stem(name) not in listed.labels]
    if lacking:
        return XaibenchError(
            f"{len(listed.labels) - len(lacking):,} of {len(listed.labels):,} images that "
            f"{listed.path} lists are in {folder} (first missing: {min(lacking)}): complete the "
            "copy; to use fewer, keep all and say which with --subset or --limit."
        )
    return XaibenchError(
        f"{len(bare):,} of {len(names):,} images in {folder} have no label in {listed.path} "
        f"(first: {bare[0]}): give a list of all of them."
    )
