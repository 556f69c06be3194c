"""Stop when sure: which means need no more images, decided from the stored scores alone.

A mean is decided at the end of a block, in the order of blocks: it is sure where the interval of
what the blocks before hold is within the points asked for. So it does not matter who computed what
and when, or how often that was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from xaibench.analysis.measure import AVERAGED, Key
from xaibench.analysis.sequences import aim_of, scaled, within
from xaibench.config.declared import of_run
from xaibench.datasets.subset import GROUP
from xaibench.stages.run import Run
from xaibench.stages.unit import Block, Part, Unit
from xaibench.store import layout, tables
from xaibench.store.origin import Unsound


@dataclass
class Mean:
    """What is known of one mean: by block and unit the sum of its values and how many these are.

    sure: whether it needs no more images. waits: whether a block before lacks some still.
    """

    sums: dict[int, list[float]] = field(default_factory=dict)
    counts: dict[int, list[int]] = field(default_factory=dict)
    images: int = 0
    sure: bool = False
    waits: bool = False


def bounds_of(run: Run) -> dict[str, tuple[float, float] | None]:
    """The least and the largest value of each metric of a run, None where it has none."""
    catalog = of_run(run.methods, run.metrics, run.protocol.model_dump(mode="json"))
    return {metric.spec: catalog.metric(metric.spec).bounds for metric in run.metrics}


def asked(run: Run) -> dict[str, Any]:
    """What a run with --until is to stop, as `analysis.stopped.Asked` reads it."""
    return {
        "points": run.config.until,
        "images": len(run.subset.places),
        "group": GROUP,
        "method": [method.spec for method in run.methods],
        "target": list(run.targets),
        "transform": list(dict.fromkeys(v.transform for v in run.variations)),
        "metric": {metric: bounds for metric, bounds in bounds_of(run).items() if bounds},
    }


class Stops:
    """The means of a run with --until. Blocks have to come in the order of the plan."""

    def __init__(self, run: Run) -> None:
        self.run, self.points = run, run.config.until or 0.0
        self.bounds = bounds_of(run)
        self.means: dict[Key, Mean] = {}

    def settled(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Blocks without what the stored scores are sure of; where some are missing, nothing is."""
        for block in blocks:
            yield (left := self.left(block))
            self.add(left, computed=False)

    def left(self, block: Block) -> Block:
        """A block without what is sure by now."""
        if not any(self._sure(of) for of in self._means(block)):
            return block
        parts = tuple(self._left(part) for part in block.parts)
        bare = replace(block, parts=parts)
        needed = self.run.transformed and all(part.variation.request is None for part in parts)
        if bare.maps or bare.scores or needed:  # the classes of transformed images come from here
            return bare
        return replace(block, parts=tuple(replace(part, predictions=()) for part in parts))

    def _left(self, part: Part) -> Part:
        return replace(part, units=tuple(self._unit(unit) for unit in part.units))

    def _unit(self, unit: Unit) -> Unit:
        scores = {
            target: {m: () if self._sure(_of(unit, target, m)) else p for m, p in of.items()}
            for target, of in unit.scores.items()
        }
        wanted = {t: set(chain.from_iterable(of.values())) for t, of in scores.items()}
        maps = {t: tuple(p for p in p_ if p in wanted[t]) for t, p_ in unit.maps.items()}
        return replace(unit, scores=scores, maps=maps)

    def _sure(self, of: Key) -> bool:
        return of in self.means and self.means[of].sure

    def _means(self, block: Block) -> dict[Key, list[Unit]]:
        """The bounded means that a block is part of, with their units: one a variation."""
        found: dict[Key, list[Unit]] = {}
        for unit in (unit for part in block.parts for unit in part.units):
            for target, metrics in unit.scores.items():
                for metric in metrics:
                    if self.bounds[metric]:
                        found.setdefault(_of(unit, target, metric), []).append(unit)
        return found

    def add(self, block: Block, computed: bool = True) -> None:
        """Look at the scores of a block. computed: what it lacked has been tried since."""
        for of, units in self._means(block).items():
            mean = self.means.setdefault(of, Mean())
            lacks = any(unit.scores[of.target][of.metric] for unit in units)
            mean.waits = not computed and (mean.waits or lacks)
            if not (mean.sure or mean.waits or block.number in mean.sums):
                self._read(mean, of, block, units)
                mean.sure = self._decided(mean, of, units)

    def _read(self, mean: Mean, of: Key, block: Block, units: list[Unit]) -> None:
        """Images that depend on each other through a transform are one unit."""
        size, order = _size(units), self.run.order(units[0].variation)
        numbers = sorted({order.positions[p] // size for p in block.places})
        at = {
            self.run.dataset.ids[p]: numbers.index(order.positions[p] // size) for p in block.places
        }
        sums, counts = [0.0] * len(numbers), [0] * len(numbers)
        for unit in units:
            folder = unit.key.scores(self.run.root, of.target, of.metric)
            for image, value in _values(folder, block.number).items():
                if image in at:
                    sums[at[image]] += value
                    counts[at[image]] += 1
        mean.sums[block.number], mean.counts[block.number] = sums, counts
        mean.images += sum(counts) // max(1, len(units))

    def _decided(self, mean: Mean, of: Key, units: list[Unit]) -> bool:
        """Whether the interval of all blocks so far is within the points."""
        bounds, size = self.bounds[of.metric], _size(units)
        assert bounds is not None
        seen = scaled(
            np.array(list(chain.from_iterable(mean.sums.values()))),
            np.array(list(chain.from_iterable(mean.counts.values())), dtype=np.float64),
            -(-len(self.run.subset.places) // size),
            size * len(units),
            bounds,
        )
        return seen is not None and within(seen, aim_of(self.points, bounds))

    def record(self) -> dict[str, Any]:
        """What a manifest says in the end: also how many means there are, and which are sure."""
        sure = {of: mean.images for of, mean in self.means.items() if mean.sure}
        listed = [of._asdict() | {"images": n} for of, n in sure.items()]
        return asked(self.run) | {"means": len(self.means), "sure": listed}

    @property
    def words(self) -> str:
        """The same in a few words."""
        sure = [(of, mean.images) for of, mean in self.means.items() if mean.sure]
        told = [
            f"{of.metric} of {of.method}, {of.target}{_on(of)}: {n} images" for of, n in sure[:3]
        ]
        more = f"; {len(sure) - len(told)} more in manifests/" if len(sure) > len(told) else ""
        listed = f" ({'; '.join(told)}{more})" if told else ""
        return f"sure within {self.points:g} points: {len(sure)} of {len(self.means)} means{listed}"


def _size(units: list[Unit]) -> int:
    """How many images make a unit."""
    return GROUP if units[0].variation.request else 1


def _on(of: Key) -> str:
    return f", {of.transform}" * (of.transform != "none")


def _of(unit: Unit, target: str, metric: str) -> Key:
    return Key(unit.method.spec, target, unit.variation.transform, metric)


def _values(folder: Path, block: int) -> Mapping[str, float]:
    """The values of a block's images that are in the mean."""
    found: dict[str, float] = {}
    for path in layout.block_files(folder, block, layout.TABLE):
        try:
            rows = tables.read(path, curves=False)
        except Unsound:  # the next plan finds it
            continue
        columns = (rows[name].to_pylist() for name in ("image", "status", "value"))
        found |= {i: v for i, s, v in zip(*columns, strict=True) if s in AVERAGED}
    return found
