"""What is known of ImageNet's ILSVRC2012 validation set: names, classes, counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from xaibench.errors import XaibenchError
from xaibench.published import imagenet_wnids

IMAGES, CLASSES, A_CLASS = 50_000, 1_000, 50
NEARLY = 49_000  # a set that lacks fewer than 1,000 is taken for a broken copy
_OFFICIAL = re.compile(r"ILSVRC2012_val_(\d{8})(?:_(n\d{8}))?(?:\.\w+)?")
_WNID = re.compile(r"n\d{8}")
_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,9}\s*")
_TRAINING = re.compile(r"n\d{8}_\d+(?:\.\w+)?")


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def number(name: str) -> int | None:
    """The number in ILSVRC2012_val_00000293[_n01440764][.JPEG], whatever folder it is in."""
    match = _OFFICIAL.fullmatch(_base(name))
    return int(match[1]) if match else None


def official(number: int) -> str:
    """The stem of an image's official name."""
    return f"ILSVRC2012_val_{number:08d}"


def stem(name: str) -> str:
    """An image's name without folder, suffix and appended class: the same in every layout."""
    known = number(name)
    return Path(name).stem if known is None else official(known)


def appended_wnid(name: str) -> str | None:
    """The class in ILSVRC2012_val_00000293_n01440764.JPEG, as Hugging Face names them."""
    match = _OFFICIAL.fullmatch(_base(name))
    return match[2] if match else None


def is_wnid(text: str) -> bool:
    """Whether a text has the form of a WordNet id."""
    return _WNID.fullmatch(text) is not None


def in_order(names: Sequence[str]) -> list[int]:
    """Places by official number where all names have one and none twice, else as they are."""
    numbers = [number(name) for name in names]
    if None in numbers or len(set(numbers)) < len(numbers):
        return list(range(len(names)))
    return sorted(range(len(names)), key=lambda i: numbers[i] or 0)


def class_index(wnid: str, where: str) -> int:
    """The class index of a WordNet id; XaibenchError where ImageNet has no such class."""
    try:
        return _indices()[wnid]
    except KeyError:
        raise XaibenchError(
            f"'{wnid}' in {where} is none of ImageNet's {CLASSES:,} classes (ILSVRC2012): "
            "give the images or labels of that set."
        ) from None


@cache
def _indices() -> dict[str, int]:
    return {wnid: index for index, wnid in enumerate(imagenet_wnids())}


def class_indices(values: Iterable[str | int], where: str) -> tuple[int, ...]:
    """Labels as people write them (class index or WordNet id) as class indices 0..999.

    Raises XaibenchError where they are not ImageNet's, or look counted from 1.
    """
    known = _indices()
    labels = []
    for value in values:
        text = str(value)
        if text in known:
            labels.append(known[text])
            continue
        if not _NUMBER.fullmatch(text):
            class_index(text[:60], where)  # raises, and says why
        labels.append(int(text))
    if labels and min(labels) >= 1 and max(labels) == CLASSES:
        raise XaibenchError(
            f"the labels in {where} look 1-based (1 to {CLASSES}, none is 0); class indices go "
            f"from 0 to {CLASSES - 1}: subtract 1, or, where they are the devkit's ILSVRC2012 IDs, "
            "give ILSVRC2012_validation_ground_truth.txt with meta.mat beside it instead."
        )
    for label in labels:
        if not 0 <= label < CLASSES:
            raise XaibenchError(
                f"label {label} in {where} is no class index of ImageNet (0 to {CLASSES - 1})."
            )
    return tuple(labels)


def dataset_name(root: Path, names: Sequence[str], labels: Sequence[int]) -> str:
    """'imagenet' for the whole validation set in any layout; otherwise what the folder is called.

    names: the images', in any form. Raises XaibenchError for a set that is nearly complete, or
    whose labels cannot be ImageNet's.
    """
    usual = root.resolve().name
    if not NEARLY <= len(names) <= IMAGES or any(
        _TRAINING.fullmatch(_base(n)) for n in names[:100]
    ):
        return usual
    numbers = {number(name) for name in names}
    counts = Counter(labels)
    if len(names) == IMAGES:
        if len(counts) == CLASSES and set(counts.values()) == {A_CLASS}:
            return "imagenet"
        if None not in numbers and -1 not in counts:
            index, count = min(counts.items(), key=lambda item: (item[1], item[0]))
            raise XaibenchError(
                f"the images in {root} are ImageNet's {IMAGES:,}, but not their labels: class "
                f"{index} ({imagenet_wnids()[index]}) has {count} images, not {A_CLASS}."
            )
        return usual
    short = [i for i in range(CLASSES) if counts[i] < A_CLASS]
    if len(counts) == CLASSES and max(counts.values()) <= A_CLASS:
        if None not in numbers:
            first = next(i for i in range(1, IMAGES + 1) if i not in numbers)
            which = f"first missing: {official(first)}"
        else:
            wnid = imagenet_wnids()[short[0]]
            which = f"class {wnid} has {counts[short[0]]} of {A_CLASS}"
        raise XaibenchError(
            f"{len(names):,} of ImageNet's {IMAGES:,} validation images are in {root} ({which}): "
            "complete the copy; to use fewer, keep all and say which with --subset or --limit."
        )
    return usual
