"""What a run would do: one look at the store, then blocks with what each lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xaibench.config.requests import MethodRequest
from xaibench.config.variations import UNTOUCHED, Variation
from xaibench.execution.until import Stops
from xaibench.stages.run import Run
from xaibench.stages.share import forwarded, own
from xaibench.stages.steps import Work, works_of
from xaibench.stages.unit import (
    Block,
    Part,
    Places,
    Unit,
    code_of_maps,
    code_of_predictions,
    code_of_scores,
    code_of_state,
)
from xaibench.store import layout
from xaibench.store.layout import UnitKey
from xaibench.store.ledger import Ledger, unreadable


@dataclass(frozen=True)
class Preparation:
    """What a method has to prepare before the blocks that need it."""

    method: MethodRequest
    variation: Variation
    path: Path
    code: str


@dataclass(frozen=True)
class Plan:
    """What is left of every chosen block, the untouched images first, then the transformed.

    stale: how many results other code made, by method (`network` for predictions). unsound: the
    files that are damaged or another run's, with which of the two; nothing is read from them.
    stops: of a run with --until, what is sure.
    """

    blocks: tuple[Block, ...]
    preparations: tuple[Preparation, ...]
    stale: Mapping[str, int]
    unsound: Mapping[Path, str]
    stops: Stops | None = None

    def count(self, what: str) -> int:
        """How many predictions, maps or scores are missing, or all of them (`total`)."""
        return sum(int(getattr(block, what)) for block in self.blocks)

    @property
    def works(self) -> Counter[Work]:
        """What is missing, by kind, method and metric."""
        return sum(map(works_of, self.blocks), Counter())


def plan(run: Run, stages: frozenset[str]) -> Plan:
    """What the given stages ('explain', 'score') would do."""
    ledger = Ledger(run.root, run.mine, run.config.keep_stale)
    planner = _Planner(run, stages, ledger)
    stops = None if run.config.until is None else Stops(run)
    found = planner.blocks()
    blocks = tuple(stops.settled(found) if stops else found)
    preparations = tuple(_preparations(run, blocks, ledger))
    return Plan(blocks, preparations, dict(planner.stale), ledger.unsound, stops)


def still_lacking(run: Run, block: Block) -> Block:
    """A planned block without what has been stored of it since, or turned out unreadable."""
    planner = _Planner(run, frozenset(), Ledger(run.root, run.mine, run.config.keep_stale))
    return replace(block, parts=tuple(planner.left(block.number, part) for part in block.parts))


def _preparations(run: Run, blocks: Sequence[Block], ledger: Ledger) -> Iterator[Preparation]:
    """States that a block needs and the store lacks: for maps, or to explain other inputs."""
    again = {m.spec for m in run.metrics if "explain" in m.needs}
    seen: set[Path] = set()
    for unit in (unit for block in blocks for part in block.parts for unit in part.units):
        path = run.state_path(unit.method, unit.variation)
        scored = {m for of in unit.scores.values() for m, places in of.items() if places}
        if path is None or path in seen or not (unit.lacking_maps or scored):
            continue
        made = ledger.sound(path, run.state_source(unit.method, unit.variation)[1])
        if not (unit.lacking_maps or scored & again):
            continue
        seen.add(path)
        code, kept = code_of_state(run.loader, unit.method), run.config.keep_stale
        if made is None or not (kept or made.code == code):
            yield Preparation(unit.method, unit.variation, path, "" if kept else code)


class _Planner:
    """Asks the ledger for every unit once. stale: results of other code met, by method.

    What is made beside stale results that are kept may come from them: it says no code, so that
    the first run that does not keep them makes it anew.
    """

    def __init__(self, run: Run, stages: frozenset[str], ledger: Ledger) -> None:
        self.run, self.stages, self.ledger = run, stages, ledger
        self.stale: Counter[str] = Counter()
        ids = unreadable(run.root)
        self.lost = {p for p, image in enumerate(run.dataset.ids) if image in ids} if ids else set()
        self.codes: dict[tuple[str, str], tuple[str, dict[str, str]]] = {}
        self.curved = {m.spec for m in run.metrics if run.config.keep_curves and m.curve}

    def blocks(self) -> Iterator[Block]:
        run = self.run
        asked = {p for places in own(run, run.whole, run.selection).values() for p in places}
        plain = tuple(v for v in run.variations if v.request is None)
        for number, places in forwarded(run).items():
            chosen = tuple(p for p in places if p in asked)
            # the classes to explain come from the untouched images, asked for or not
            methods = run.methods if plain else ()
            views = plain or (UNTOUCHED,)
            parts = [self._part(number, chosen, tuple(places), v, methods) for v in views]
            yield Block(number, chosen, tuple(places), tuple(parts))
        if run.transformed:
            for number, places in own(run, run.subset, run.selection).items():
                chosen, companions = tuple(places), tuple(run.companions(places))
                parts = [
                    self._part(number, chosen, chosen, v, run.methods) for v in run.transformed
                ]
                yield Block(number, chosen, companions, tuple(parts))

    def _part(
        self,
        number: int,
        places: Places,
        forwarded: Places,
        variation: Variation,
        methods: Sequence[MethodRequest],
    ) -> Part:
        """What a variation of a block lacks; forwarded: the images that need predictions."""
        code = self._said(code_of_predictions(self.run.loader, variation))
        folder = layout.predictions(self.run.root, variation.transform, variation.name)
        marked = (code, self.run.mark(variation))
        predictions = self._lacking(folder, number, self._good(forwarded), marked, "network")
        good = self._good(places)
        units = [self._unit(number, good, m, variation) for m in methods] if good else []
        return Part(variation, code, predictions, tuple(units))

    def left(self, number: int, part: Part) -> Part:
        """A part of a planned block without what is there by now."""
        of, mark = part.variation, self.run.mark(part.variation)
        folder = layout.predictions(self.run.root, of.transform, of.name)
        predictions = self._good(part.predictions)
        predictions = self._lacking(folder, number, predictions, (part.code, mark), "network")
        return replace(part, predictions=predictions, units=tuple(map(self._left, part.units)))

    def _left(self, unit: Unit) -> Unit:
        run, mark = self.run, self.run.mark(unit.variation)
        scores = {
            target: {
                metric: self._lacking(
                    unit.key.scores(run.root, target, metric),
                    unit.block,
                    self._good(places),
                    (unit.score_codes[metric], mark),
                    unit.method.spec,
                    metric in self.curved,
                )
                for metric, places in of.items()
            }
            for target, of in unit.scores.items()
        }
        maps = {}
        for target, places in unit.maps.items():
            folder, marked = unit.key.maps(run.root, target), (unit.code, mark)
            lacking = self._lacking(
                folder, unit.block, self._good(places), marked, unit.method.spec
            )
            wanted = {p for some in scores.get(target, {}).values() for p in some}
            maps[target] = tuple(p for p in lacking if p in wanted) if scores else lacking
        return replace(unit, places=self._good(unit.places), maps=maps, scores=scores)

    def _good(self, places: Places) -> Places:
        return tuple(p for p in places if p not in self.lost)

    def _unit(
        self, number: int, places: Places, method: MethodRequest, variation: Variation
    ) -> Unit:
        run = self.run
        code, score_codes = self._codes(method, variation)
        mark = run.mark(variation)
        key = UnitKey(method.spec, variation.transform, variation.name)
        maps: dict[str, Places] = {}
        scores: dict[str, dict[str, Places]] = {}
        for target in run.targets:
            if "score" in self.stages:
                scores[target] = {
                    metric: self._lacking(
                        key.scores(run.root, target, metric),
                        number,
                        places,
                        (of, mark),
                        method.spec,
                        metric in self.curved,
                    )
                    for metric, of in score_codes.items()
                }
            if "explain" in self.stages:
                folder = key.maps(run.root, target)
                lacking = self._lacking(folder, number, places, (code, mark), method.spec)
                if "score" in self.stages:  # a map that no score needs is not computed
                    unscored = {p for left in scores[target].values() for p in left}
                    lacking = tuple(p for p in lacking if p in unscored)
                maps[target] = lacking
        return Unit(number, places, method, variation, code, score_codes, maps, scores)

    def _codes(self, method: MethodRequest, variation: Variation) -> tuple[str, dict[str, str]]:
        key = (method.spec, variation.transform)
        if key not in self.codes:
            network = self.run.loader
            scores = {
                m.spec: self._said(code_of_scores(network, method, variation, m))
                for m in self.run.metrics
            }
            self.codes[key] = (self._said(code_of_maps(network, method, variation)), scores)
        return self.codes[key]

    def _said(self, code: str) -> str:
        return "" if self.run.config.keep_stale else code

    def _lacking(
        self,
        folder: Path,
        number: int,
        places: Places,
        marked: tuple[str, str],
        whose: str,
        curves: bool = False,
    ) -> Places:
        """marked: the code that makes the results, and the subset whose groups they depend on."""
        ids = self.run.ids(places)
        lacking = self.ledger.lacking(folder, number, ids, *marked, curves=curves)
        self.stale[whose] += len(lacking.stale)
        if len(lacking.ids) == len(ids):
            return places
        left = set(lacking.ids)
        return tuple(p for p, image in zip(places, ids, strict=True) if image in left)
