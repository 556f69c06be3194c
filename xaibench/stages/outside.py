"""Maps made elsewhere in the place of a method: what `xaibench score --maps` scores."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xaibench.config.requests import (
    MethodRequest,
    MetricRequest,
    check_maps_alone,
    made_elsewhere,
)
from xaibench.config.run import RunConfig
from xaibench.datasets.subset import Subset
from xaibench.errors import UsageError, XaibenchError, fold
from xaibench.registry import Registered, entries
from xaibench.store.outside import Outside, read_maps
from xaibench.types import Batch, Context, Explanation

NAME = re.compile(r"[A-Za-z_][\w.-]*")


@dataclass(frozen=True)
class MadeElsewhere(Registered):
    """A stand-in for the method that made the maps of a file or folder (`source`)."""

    def __reduce__(self) -> tuple[Any, ...]:
        return stand_in, (Path(self.source), self.key)


def stand_in(path: Path, name: str) -> MadeElsewhere:
    """Maps as a method of that name: each image's own, whatever class is asked for."""
    held = _maps(path)
    rows = {image: row for row, image in enumerate(held.ids)}

    def explain(_ctx: Context, batch: Batch, _state: None) -> Explanation:
        maps = held.maps[[rows[image] for image in batch.ids]].to(batch.images.device)
        return Explanation(maps[:, None].expand(-1, batch.targets.shape[1], -1, -1))

    explain.__module__ = __name__
    return MadeElsewhere(
        "methods",
        name,
        explain,
        (name,),
        {"content": held.sha256, "elsewhere": True},
        {},
        source=str(path),
    )


def _maps(path: Path) -> Outside:
    """The maps of a file or folder, read again where any of its files has changed."""
    files = sorted(p for p in (path, *path.rglob("*.np[yz]")) if p.exists())
    return _read(path, tuple((p, p.stat().st_mtime_ns) for p in files))


@functools.lru_cache(maxsize=4)
def _read(path: Path, _changed: tuple[tuple[Path, int], ...]) -> Outside:
    return read_maps(path)


def outside(
    config: RunConfig, subset: Subset, metrics: Sequence[MetricRequest]
) -> tuple[MethodRequest, Subset]:
    """The maps of --maps as a method under --name, and the chosen images that have one.

    Raises UsageError for a name that is taken, for transforms and for metrics that explain other
    inputs; XaibenchError for ids that are not the dataset's.
    """
    assert config.maps is not None
    path = config.maps.expanduser().resolve()
    name = config.name or path.stem
    if not NAME.fullmatch(name):
        raise UsageError(f"name '{name}': give letters, digits, - and _, as in --name mine.")
    if fold(name) in entries("methods"):  # folders may not tell cases apart
        raise UsageError(f"name '{name}' is a method's: give the maps another --name.")
    if config.transform != ("none",):
        raise UsageError("maps made elsewhere are of untouched images: use --transform none.")
    check_maps_alone(metrics)
    entry = stand_in(path, name)
    held = set(_maps(path).ids)
    known = set(subset.dataset.ids)
    strange = sorted(held - known)
    if strange:
        raise XaibenchError(
            f"{len(strange)} of the {len(held)} ids in {path} are no images of "
            f"{subset.dataset.name}, first {strange[0]}: write ids as {subset.dataset.ids[0]}."
        )
    places = tuple(place for place in subset.places if subset.dataset.ids[place] in held)
    if not places:
        raise XaibenchError(f"none of the chosen images has a map in {path}.")
    return made_elsewhere(name, entry), replace(subset, places=places)
