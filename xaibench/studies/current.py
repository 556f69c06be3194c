"""Which scores were made by other code than is here now, told without importing that code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from itertools import product
from pathlib import Path

from xaibench.config.code import MAPS, SCORES, Source, below, code_of
from xaibench.config.names import scheme_of, schemes_of_models
from xaibench.config.run import RunConfig
from xaibench.config.specs import parse
from xaibench.errors import XaibenchError
from xaibench.registry import entries
from xaibench.registry.files import parts
from xaibench.store.manifest import records
from xaibench.store.sources import files_of, made_elsewhere


def outdated(root: Path, made: Mapping[tuple[str, str, str], Collection[str]]) -> list[str]:
    """Scores of other code than is here, `metric of method` in words, in order.

    made: hashes of the code of scores, by method, transform and metric. Maps made elsewhere, and
    what nobody can tell (a file that is gone, a plug-in that is not installed), are left out.
    """
    try:
        loaders, files, elsewhere = _loaders(root), files_of(root), made_elsewhere(root)
    except XaibenchError:
        return []

    @cache
    def source(kind: str, spec: str) -> Source | None:
        return _source(kind, spec, files)

    old: dict[str, None] = {}
    for (method, transform, metric), codes in made.items():
        pair = source("methods", method), source("metrics", metric)
        moved = None if transform == "none" else source("transforms", transform)
        if method in elsewhere or None in pair or (transform != "none" and moved is None):
            continue
        try:
            now = {
                code_of(loader, *below(prepares), MAPS, SCORES, moved, *pair)
                for loader, prepares in product(loaders, (False, True))
            }
        except OSError:
            continue
        if not now.issuperset(codes):
            old[f"{metric} of {method}"] = None
    return list(old)


def _loaders(root: Path) -> list[Source | None]:
    """What may have loaded the run's network: None for one that was in memory."""
    held = records(root)
    name = RunConfig.model_construct(**held[-1]["config"]).model_name if held else ""
    key = schemes_of_models().get(scheme_of(name), "torchvision")
    return [Source(entries("models")[key].target.partition(":")[0]), None] if held else []


def _source(kind: str, spec: str, files: Mapping[str, str]) -> Source | None:
    """Where a method, metric or transform is written; None where that is not known."""
    try:
        name = parse(spec)[0]
        if name.startswith("file:"):
            path = files.get(parts(name)[0], "")
            return Source(path=path) if Path(path).is_file() else None
    except XaibenchError:
        return None
    known = entries(kind).get(name)
    return Source(known.target.partition(":")[0]) if known else None
