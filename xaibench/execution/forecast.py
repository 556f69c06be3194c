"""What a plan costs in passes, images and bytes: arithmetic on declarations, nothing is run.

Work that several methods, targets or metrics share stands in the line of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import Any

import torch

from xaibench.config.requests import MethodRequest, MetricRequest
from xaibench.config.variations import UNTOUCHED, Variation, cut
from xaibench.core.explain import cam_channels, cost
from xaibench.datasets.base import BLOCK
from xaibench.errors import XaibenchError
from xaibench.execution.amounts import (
    Amount,
    Amounts,
    Forecast,
    Line,
    curve_bytes,
    explained,
    metric_cost,
    passes,
)
from xaibench.execution.plan import Plan
from xaibench.probes.hooks import activations
from xaibench.stages.chunks import slices
from xaibench.stages.explain import stored
from xaibench.stages.run import Run
from xaibench.stages.score import heavy
from xaibench.stages.unit import Block, Part, Places, Unit
from xaibench.types import Cost, MetricCost

ID, HEADER = 8, 830
"""Bytes beside map and image's id: the class that it explains; what a file says of itself."""


class Forecaster:
    """Forecasts plans of a run; `made` holds what earlier plans of the same directory leave."""

    def __init__(self, run: Run, table_bytes: Callable[[Run, int, str], int]) -> None:
        self.run = run
        self.bytes = cache(lambda rows, kind: table_bytes(run, rows, kind))
        self.costs: dict[str, Cost | None] = {}

    def of(self, todo: Plan) -> Forecast:
        """The work of all blocks, and of what methods prepare."""
        found = Forecast()
        for one in todo.preparations:
            images = one.method.entry.metadata.get("prepares", lambda **_: None)
            count = images(**one.method.options)
            if count is not None:
                places, _ = self.run.state_source(one.method, one.variation)
                n = min(count or len(places), len(places))
                line = Line("prepare", one.method.spec, size=self.size(UNTOUCHED))
                batch = self.rows(self.size(UNTOUCHED))
                amount = Amount(n, n, passes(n, batch), decoded=n)
                found.before.setdefault(line, Amount()).add(amount)
        alike: dict[object, Amounts] = {}
        for block in todo.blocks:
            key = self._alike(block)
            if block.total and (key is None or key not in alike):
                alike[key] = self.block(block)
            if block.total:
                found.blocks.append(alike[key])
        return found

    def _alike(self, block: Block) -> object:
        """The same for blocks that cost the same; None where more is lacked in part."""
        n, parts = len(block.places), []
        for part in block.parts:
            units = []
            for unit in part.units:
                lacking = [
                    *unit.maps.values(),
                    *(places for of in unit.scores.values() for places in of.values()),
                ]
                if {len(places) for places in lacking} - {0, n}:
                    return None
                units.append((unit.method.spec, tuple(map(bool, lacking))))
            parts.append((part.variation, len(part.predictions), tuple(units)))
        drawn = int(self.run.measured(self.run.ids(block.places), block.parts[0].variation).sum())
        return n, len(block.companions), drawn, tuple(parts)

    def cost(self, method: MethodRequest) -> Cost | None:
        """Passes of an image; None where the method declares none, or needs an unknown layer."""
        if method.spec not in self.costs:
            self.costs[method.spec] = self._cost(method)
        return self.costs[method.spec]

    def _cost(self, method: MethodRequest) -> Cost | None:
        if "content" in method.entry.metadata:  # maps made elsewhere
            return Cost()
        if method.entry.metadata.get("cost") is None:
            return None
        try:
            return cost(method, lambda: cam_channels(self.run.classifier.in_batches(1, (0, 0))))
        except XaibenchError:
            return None

    def rows(self, size: tuple[int, int]) -> int:
        """Inputs in a pass."""
        return self.run.classifier.rows_at(size)

    @cached_property
    def _sizes(self) -> dict[tuple[str, str], tuple[int, int]]:
        return {}

    def size(self, variation: Variation) -> tuple[int, int]:
        """Height and width of the inputs, found by transforming a blank image."""
        side, request = self.run.classifier.input.crop, variation.request
        if request is None or not request.entry.metadata.get("resizes"):
            return side, side
        key = variation.transform, variation.name
        if key not in self._sizes:
            made = request.entry(
                torch.zeros(1, 3, side, side),
                lambda _: torch.Generator(),
                variation.name,
                **request.options,
            )
            self._sizes[key] = (int(made.shape[-2]), int(made.shape[-1]))
        return self._sizes[key]

    @cached_property
    def _layers(self) -> dict[str, tuple[int, int]]:
        return {}

    def native(self, method: MethodRequest, size: tuple[int, int]) -> tuple[int, int]:
        """The size of a method's maps: that of the layer in its options, else the input's."""
        layer = method.options.get("layer")
        if layer is None:
            return size
        if layer not in self._layers:
            network = self.run.classifier.in_batches(1, (0, 0))
            try:
                shape = activations(network, str(layer), network.blank()).shape[-2:]
                self._layers[str(layer)] = (int(shape[0]), int(shape[1]))
            except XaibenchError:  # which the run will say
                return size
        side, (height, width) = self.run.classifier.input.crop, self._layers[str(layer)]
        return -(-height * size[0] // side), -(-width * size[1] // side)

    def block(self, block: Block) -> Amounts:
        """The work of one block."""
        found: Amounts = {}
        read: set[int] = set()
        shared: set[object] = set()
        for part in block.parts:
            size = self.size(part.variation)
            for line, amount in self._part(block, part, size, read, shared):
                found.setdefault(line, Amount()).add(amount)
        if read:
            found[Line("read")] = Amount(len(read), decoded=len(read))
        return found

    def _inputs(self, places: Sequence[int], variation: Variation, grouped: bool) -> set[int]:
        """The images that are read for some."""
        if variation.request and (variation.request.groups or grouped):
            return {p for group in self.run.subset.groups(places) for p in group}
        return set(places)

    def _part(
        self,
        block: Block,
        part: Part,
        size: tuple[int, int],
        read: set[int],
        shared: set[object],
    ) -> Iterator[tuple[Line, Amount]]:
        of, batch = part.variation, self.rows(size)
        where: dict[str, Any] = {"transform": of.transform, "variation": of.name, "size": size}
        n = len(part.predictions)
        if n:
            step = max(batch, BLOCK // batch * batch)
            rows = sum(passes(min(step, n - i), batch) for i in range(0, n, step))
            tables = self.bytes(n, "predictions")
            yield Line("predict", **where), Amount(n, n, rows, tables=tables)
            read |= self._inputs(part.predictions, of, False)
        for unit in part.units:
            asked = self.cost(unit.method)
            where["method"] = unit.method.spec
            for places in dict.fromkeys(places for places in unit.maps.values() if places):
                targets = sum(lacking == places for lacking in unit.maps.values())
                read |= self._inputs(places, of, unit.method.groups)
                yield (
                    Line("explain", **where, targets=targets),
                    self._explain(unit, places, targets, size, asked),
                )
            for target, lacking in unit.scores.items():
                for places in dict.fromkeys(places for places in lacking.values() if places):
                    some = [m for m in self.run.metrics if lacking[m.spec] == places]
                    if heavy(some):
                        read |= self._inputs(places, of, False)
                    for line, amount in self._score(unit, target, places, some, size, shared):
                        yield replace(line, **where), amount

    def _explain(
        self, unit: Unit, places: Places, targets: int, size: tuple[int, int], asked: Cost | None
    ) -> Amount:
        batch = self.rows(size)
        group = self.run.context_for(size, unit.variation, unit.method).group_size
        total = Amount(unknown=asked is None)
        if group == 1:
            batches = [list(places[i : i + batch]) for i in range(0, len(places), batch)]
        else:
            groups = self.run.subset.groups(places)
            batches = cut(groups, group, -(-batch // group) * group)
        if asked is not None:
            for some in batches:
                train = unit.method.groups
                total.add(explained(asked, len(some), targets, batch, group, train))
        height, width = self.native(unit.method, size)
        if stored(self.run.config, (height, width), size):
            names = sum(len(self.run.dataset.ids[p]) for p in places)
            each = 4 * height * width + ID
            total.maps = targets * (len(places) * each + names + HEADER)
        total.calls = sum(map(len, batches))
        return total

    def _score(
        self,
        unit: Unit,
        target: str,
        places: Places,
        metrics: Sequence[MetricRequest],
        size: tuple[int, int],
        shared: set[object],
    ) -> Iterator[tuple[Line, Amount]]:
        batch = self.rows(size) if heavy(metrics) else self.run.batch_size
        calls: dict[str, list[MetricRequest]] = {}
        for m in metrics:
            calls.setdefault(f"{m.entry.key} {sorted(m.options.items())}", []).append(m)
        made: dict[str, Amount] = {name: Amount() for name in calls}
        for rows in slices(len(places), batch):
            part = places[rows.start : rows.stop]
            q, streamed = len(part), dict.fromkeys(calls, 0)
            for name, asked in calls.items():
                made[name].add(self._call(unit, target, part, name, asked, size, shared))
                costs = metric_cost(asked, size) or MetricCost()
                streamed[name] = 0 if costs.any_method else round(q * costs.forwards)
            filled = passes(sum(streamed.values()), batch) - sum(streamed.values())
            most = max(streamed, key=streamed.__getitem__)
            for name, n in streamed.items():
                made[name].rows += n + (filled if name == most else 0)
        for name, asked in calls.items():
            kept = curve_bytes(asked, size) if self.run.config.keep_curves else 0
            made[name].tables += self.bytes(len(places), "scores") * len(asked) + kept * len(places)
            yield Line("score", metrics=tuple(m.spec for m in asked)), made[name]

    def _call(
        self,
        unit: Unit,
        target: str,
        part: Places,
        name: str,
        asked: Sequence[MetricRequest],
        size: tuple[int, int],
        shared: set[object],
    ) -> Amount:
        """What one call costs for a slice, but for the rows of the stream that all calls share."""
        q, batch, costs = len(part), self.rows(size), metric_cost(asked, size)
        total = Amount(q, unknown=costs is None and heavy(asked))
        if costs is None:
            return total
        memo = (unit.variation, name, part)
        once = (round(q * costs.shared), round(costs.call)) if memo not in shared else ()
        shared.add(memo)
        for n in once:
            total.add(Amount(forwards=n, rows=passes(n, batch)))
        n, back = round(q * costs.forwards), round(q * costs.backwards)
        if not costs.any_method:
            total.add(Amount(forwards=n, backwards=back))
        elif (*memo, target) not in shared:
            shared.add((*memo, target))
            total.add(Amount(forwards=n, rows=passes(n, batch), backwards=back))
        if costs.explains:
            total.add(self._again(unit, part, costs, batch))
        return total

    def _again(self, unit: Unit, places: Places, costs: MetricCost, batch: int) -> Amount:
        """Explanations of other inputs of some images."""
        asked = self.cost(unit.method)
        if asked is None:
            return Amount(unknown=True)
        if asked.total(1)[0] > costs.subset_over:
            n = int(self.run.measured(self.run.ids(places), unit.variation).sum())
        else:
            n = len(places)
        inputs = n * costs.explains
        total = Amount(times=inputs)
        for start in range(0, inputs, batch):
            some = min(batch, inputs - start)
            total.add(explained(asked, some, 1, batch, 1, unit.method.groups))
        return total
