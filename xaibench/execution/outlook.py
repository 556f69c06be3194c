"""From configurations to what they will take: planned one after the other, then added up."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from xaibench.config.run import RunConfig
from xaibench.errors import XaibenchError
from xaibench.execution.calibrate import Calibration
from xaibench.execution.estimate import Estimate, by_rate, estimate
from xaibench.execution.forecast import Forecaster
from xaibench.execution.plan import Plan
from xaibench.models.classifier import TorchClassifier
from xaibench.models.load import load_model
from xaibench.stages.explain import stored
from xaibench.stages.run import Run
from xaibench.stages.unit import Block, Part, Places, Unit
from xaibench.store import layout, tables
from xaibench.store.origin import origin


@dataclass
class Made:
    """What plans before this one leave, by the folder of the results and the block."""

    _places: dict[tuple[Path, int], list[Places]] = field(default_factory=dict)

    def left(self, run: Run, todo: Plan, fits: Forecaster) -> Plan:
        """A plan without what earlier ones of the same directory make."""
        blocks = tuple(
            replace(block, parts=tuple(self._part(run, block, part, fits) for part in block.parts))
            for block in todo.blocks
        )
        preparations = tuple(p for p in todo.preparations if self._new(p.path, -1, (0,)))
        return replace(todo, blocks=blocks, preparations=preparations)

    def _new(self, folder: Path, block: int, places: Places, keep: bool = True) -> Places:
        """Those of some places that are new here; from now on none of them is, if kept."""
        held = self._places.setdefault((folder, block), [])
        if places in held:
            return ()
        known = {place for some in held for place in some}
        new = tuple(p for p in places if p not in known) if known else places
        if new and keep:
            held.append(new)
        return new

    def _part(self, run: Run, block: Block, part: Part, fits: Forecaster) -> Part:
        folder = layout.predictions(run.root, part.variation.transform, part.variation.name)
        new = self._new(folder, block.number, part.predictions)
        units = tuple(self._unit(run, unit, fits) for unit in part.units)
        return replace(part, predictions=new, units=units)

    def _unit(self, run: Run, unit: Unit, fits: Forecaster) -> Unit:
        scores = {
            target: {
                metric: self._new(unit.key.scores(run.root, target, metric), unit.block, places)
                for metric, places in lacking.items()
            }
            for target, lacking in unit.scores.items()
        }
        maps = {}
        size = fits.size(unit.variation)
        keep = stored(run.config, fits.native(unit.method, size), size)
        for target, places in unit.maps.items():
            wanted = {p for some in scores.get(target, {}).values() for p in some}
            lacking = tuple(p for p in places if p in wanted) if scores else places
            lacking = places if len(lacking) == len(places) else lacking
            folder = unit.key.maps(run.root, target)
            maps[target] = self._new(folder, unit.block, lacking, keep)
        return replace(unit, maps=maps, scores=scores)


def outlook(
    run: Run,
    todo: Plan,
    made: Made,
    *,
    rate: float | None = None,
    measure: bool = True,
    anew: bool = False,
    start: float = 0.0,
) -> Estimate:
    """What a plan will take.

    rate: forwards a second, in the place of what is measured; measure, anew: whether what is not
    known is measured, and what is known again. start: seconds until now.
    """
    fits = Forecaster(run, table_bytes)
    found = fits.of(made.left(run, todo, fits))
    side = run.classifier.input.crop
    if rate is not None:
        return estimate(found, by_rate(rate), True, side, 0.0)
    rates = Calibration(run, measure, anew)
    done = estimate(found, rates.of, False, side, start)
    rates.save()
    return done


def with_shapes_alone(run: Run) -> Run:
    """The run with a network of drawn weights, where its own would have to be had.

    Of a source that cannot draw any it is the network itself.
    """
    config = run.config
    network = replace(_drawn(config).to(run.device), rows=run.batch_size)
    vars(run).update(classifier=network, compiling=(network, ""))
    return run


def _drawn(config: RunConfig) -> TorchClassifier:
    bare = config.model_name.partition("@")[0]
    try:
        return load_model(f"{bare}@random", None, config.cam_layer)
    except XaibenchError:
        return load_model(config.model_name, config.weights, config.cam_layer)


@lru_cache(maxsize=256)
def _bytes(kind: str, names: tuple[str, ...], run: str, model: str, dataset: str) -> int:
    schema = tables.SCORES if kind == "scores" else tables.PREDICTIONS
    drawn = np.random.default_rng(0)
    n = len(names)
    columns: dict[str, Any] = {}
    for one in schema:
        if pa.types.is_string(one.type):
            text = {"status": "ok", "model": model, "dataset": dataset, "protocol": "published"}
            columns[one.name] = [text.get(one.name, drawn.bytes(32).hex()) for _ in names]
        elif pa.types.is_integer(one.type):
            columns[one.name] = drawn.integers(0, 1000, n)
        else:
            columns[one.name] = drawn.random(n)
    columns["image"] = list(names)
    keys = dict.fromkeys(layout.PARTITIONS, "x")
    with tempfile.TemporaryDirectory() as folder:
        path = layout.scores(Path(folder), **keys) / f"00000-x{layout.TABLE}"
        tables.save(path, columns, schema, origin("x" * 64, "", run))
        return path.stat().st_size


def table_bytes(run: Run, rows: int, kind: str) -> int:
    """Bytes of a file of so many rows, written and measured: `scores` or `predictions`."""
    names = run.ids(run.selection[:rows])
    names = (names * (-(-rows // max(1, len(names)))))[:rows]
    return _bytes(kind, names, "x" * 64, run.model, run.dataset.name)
