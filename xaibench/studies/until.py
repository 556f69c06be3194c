"""How a run directory came to its images where it was to stop when sure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from xaibench.analysis.stopped import Asked, Stopped
from xaibench.datasets.select import drawn_rank
from xaibench.store.ledger import unreadable
from xaibench.store.manifest import identity_of, records


def stopped_in(root: Path, images: Iterable[str]) -> Stopped | None:
    """What processes with --until were to stop, and the drawn order of the images in the scores.

    None where no process had the option.
    """
    found = [record["until"] for record in records(root) if record.get("until")]
    if not found:
        return None
    names = [field.name for field in fields(Asked)]
    asked = tuple(Asked(**{name: held[name] for name in names}) for held in found)
    seed = int(identity_of(root).get("seed", 0))
    known = {*map(str, images), *unreadable(root)}
    ordered = sorted(known, key=lambda image: drawn_rank(seed, image))
    return Stopped({image: place for place, image in enumerate(ordered)}, asked)
