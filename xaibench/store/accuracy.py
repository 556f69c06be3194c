"""How often the network was right on the images of a run directory, and what its classes are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from xaibench.analysis.accuracy import Accuracy, accuracy
from xaibench.published.classes import ClassNames, names_of
from xaibench.store import layout, tables
from xaibench.store.atomic import damaged, read_json, write_json
from xaibench.store.sound import reader, steadily

_COLUMNS = ("image", "label", "argmax", "rank", "classes")


def accuracy_in(root: Path, images: Collection[str] | None = None) -> Accuracy | None:
    """Of the untouched images that have predictions, or of these among them; None without labels.

    Raises XaibenchError for a file that is damaged or another run's.
    """
    columns = steadily(lambda: _read(root))
    if not columns:
        return None
    _, first = np.unique(columns["image"], return_index=True)  # a kill may leave one in two files
    if images is not None:
        wanted = set(map(str, images))
        first = first[[image in wanted for image in columns["image"][first]]]
    found = accuracy({name: column[first] for name, column in columns.items()})
    if found is None or not found.doubted:
        return found
    return replace(found, doubt=found.question(names_in(root, found.classes).label))


def _read(root: Path) -> dict[str, np.ndarray]:
    held, parts = reader(root), []
    for path in layout.results(layout.predictions(root)):
        table = held.table(path)
        older = {name: np.full(len(table), value) for name, value in tables.RANK.items()}
        parts.append(
            {
                name: table[name].to_numpy() if name in table.column_names else older[name]
                for name in _COLUMNS
            }
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in _COLUMNS if parts}


def record_names(root: Path, names: ClassNames) -> None:
    """Keep what a user calls the classes of the network of a run."""
    path, held = layout.manifest(root, "classes"), [list(some) for some in names.names]
    if not path.exists() or read_json(path) != held:
        write_json(path, held)


def names_in(root: Path, count: int) -> ClassNames:
    """The names of the classes of a run's network, which has so many (0: not known).

    Those that the user gave, else ImageNet's for 1,000 classes, else indices alone.
    """
    path = layout.manifest(root, "classes")
    if not path.exists():
        return names_of(count)
    held = read_json(path)
    try:
        return names_of(count, ClassNames(tuple(tuple(map(str, some)) for some in held)))
    except TypeError:
        raise damaged(path) from None
