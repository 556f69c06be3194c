"""Which images of a dataset a run takes: --subset, --per-class, --limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from xaibench.datasets import ilsvrc
from xaibench.datasets.base import Dataset
from xaibench.datasets.lists import lines, pair
from xaibench.datasets.subset import Subset
from xaibench.errors import UsageError
from xaibench.seeds import derive

HEADERS = {"image", "images", "name", "file", "filename", "path", "id", "imageid", "image_id"}


def ordered(dataset: Dataset, subset: Path | None, per_class: int | None, seed: int) -> Subset:
    """The images before any limit, in the order in which they form groups.

    subset: a file with one image a line, whose order holds. per_class: how many images of each
    class, drawn by seed and name alone, so that no other image decides whether one is drawn; in an
    order drawn by the seed, since in class order a group would be one class. Else the dataset's
    order. Raises UsageError where a name, a label or a class does not fit the dataset.
    """
    places = list(range(len(dataset))) if subset is None else _listed(dataset, subset)
    source = "all images" if subset is None else "--subset"
    if per_class:
        places = _drawn(dataset, places, per_class, seed)
        source = f"{source}, --per-class {per_class}" if subset else f"--per-class {per_class}"
    return Subset(dataset, tuple(places), source)


def _drawn(dataset: Dataset, places: list[int], count: int, seed: int) -> list[int]:
    """The `count` images of each class whose names the seed ranks first, in another drawn order."""
    if not dataset.labelled:
        raise UsageError(f"the images of {dataset.name} have no classes: drop --per-class.")
    held = Counter(dataset.labels[place] for place in places)
    short = sorted(label for label in held if held[label] < count)
    if short:
        raise UsageError(
            f"--per-class {count}: {len(short)} of {len(held)} classes have fewer images (first: "
            f"class {short[0]} with {held[short[0]]}); ask for at most {min(held.values())}."
        )

    def rank(place: int, purpose: str) -> tuple[int, str]:
        return drawn_rank(seed, dataset.ids[place], purpose)

    taken: Counter[int] = Counter()
    chosen = []
    for place in sorted(places, key=lambda place: rank(place, "per-class")):
        if taken[dataset.labels[place]] < count:
            taken[dataset.labels[place]] += 1
            chosen.append(place)
    return sorted(chosen, key=lambda place: rank(place, "order of per-class"))


def drawn_rank(seed: int, image: str, purpose: str = "order") -> tuple[int, str]:
    """What an image is sorted by in an order drawn by the seed, the same in every layout."""
    known = ilsvrc.number(image)
    return derive(seed, image if known is None else ilsvrc.official(known), purpose), image


def in_drawn_order(subset: Subset, seed: int) -> Subset:
    """A subset as a dataset of its own whose order is drawn by the seed."""
    held = subset.dataset
    places = sorted(subset.places, key=lambda place: drawn_rank(seed, held.ids[place]))
    dataset = replace(
        held,
        ids=tuple(held.ids[place] for place in places),
        labels=tuple(held.labels[place] for place in places),
        blobs=tuple(held.blobs[place] for place in places) if held.blobs else (),
    )
    return Subset(dataset, tuple(range(len(places))), f"{subset.source}, drawn")


def _listed(dataset: Dataset, path: Path) -> list[int]:
    """The places of the images that a file names, in its order; names may repeat."""
    names = _Names(dataset)
    chosen: dict[int, None] = {}
    unknown, wrong = [], []
    for number, line in enumerate(lines(path)):
        name, label = (line, None) if names.find(line) else (pair(line) or (line, None))
        indices = names.find(name)
        if len(indices) > 1:
            raise UsageError(
                f"'{name}' in {path} is the name of {len(indices)} images (first: "
                f"{', '.join(dataset.ids[i] for i in indices[:2])}): give their paths."
            )
        if indices:
            chosen[indices[0]] = None
            if label is not None and not _same(label, dataset.labels[indices[0]], path):
                wrong.append((name, label, dataset.labels[indices[0]]))
        elif number > 0 or name.split(",")[0].strip().lower() not in HEADERS:
            unknown.append(name)
    _check(dataset, path, chosen, unknown, wrong)
    return list(chosen)


def _same(label: str, known: int, path: Path) -> bool:
    index = ilsvrc.class_index(label, str(path)) if ilsvrc.is_wnid(label) else int(label)
    return known in (index, -1)


def _check(
    dataset: Dataset,
    path: Path,
    chosen: Collection[int],
    unknown: list[str],
    wrong: list[tuple[str, str, int]],
) -> None:
    if unknown:
        raise UsageError(
            f"{len(unknown):,} images that {path} names are not in {dataset.name} (first: "
            f"'{unknown[0][:80]}'; its own are named like '{dataset.ids[0]}')."
        )
    if wrong:
        name, label, known = wrong[0]
        shifted = all(text.isdigit() and int(text) == k + 1 for _, text, k in wrong)
        hint = " Its labels look 1-based: subtract 1." if shifted and len(wrong) > 1 else ""
        raise UsageError(
            f"{len(wrong):,} labels in {path} contradict those of {dataset.name} (first: {name}, "
            f"class {label} there and {known} here).{hint}"
        )
    if not chosen:
        raise UsageError(f"{path} names no image: give one a line.")


class _Names:
    """Finds images by id, by file name, or by name without folder and suffix."""

    def __init__(self, dataset: Dataset) -> None:
        self.ids = {name: place for place, name in enumerate(dataset.ids)}
        self.others: dict[str, list[int]] = {}
        for name, place in self.ids.items():
            for other in {name.rpartition("/")[2], ilsvrc.stem(name)}:
                self.others.setdefault(other, []).append(place)

    def find(self, name: str) -> list[int]:
        """The places of the images with that name; several where it does not tell."""
        if name in self.ids:
            return [self.ids[name]]
        known = ilsvrc.number(name)
        if known is not None:
            return self.others.get(ilsvrc.official(known), [])
        return self.others.get(name, [])
