"""Maps that are to be scored and turn out damaged: out of the way, and computed again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from xaibench.errors import Failed
from xaibench.stages.prepare import prepare_state
from xaibench.stages.run import Run
from xaibench.stages.unit import Unit, code_of_state
from xaibench.store import layout, maps, state
from xaibench.store.aside import set_aside
from xaibench.store.ledger import Ledger
from xaibench.store.origin import FOREIGN, Unsound
from xaibench.store.sound import check


def mended(run: Run, unit: Unit) -> tuple[Unit, Mapping[Path, str]]:
    """A unit with the maps that it lacks in truth, and the files that were set aside.

    The plan has looked at what files of maps say of themselves; here the content of those that
    will be scored is verified, each once a process.
    """
    lacking = dict(unit.maps)
    gone: dict[Path, str] = {}
    for target, scores in unit.scores.items():
        wanted = {place for places in scores.values() for place in places}
        folder = unit.key.maps(run.root, target)
        bad = _unsound(run, unit, folder) if wanted else {}
        for path in bad:
            set_aside(run.root, path)
        gone |= bad
        if bad and target in lacking:
            places = tuple(p for p in unit.places if p in wanted)
            ledger = Ledger(run.root, run.mine, run.config.keep_stale)
            mark = run.mark(unit.variation)
            left = set(ledger.lacking(folder, unit.block, run.ids(places), unit.code, mark).ids)
            lacking[target] = tuple(p for p in places if run.dataset.ids[p] in left)
    if not gone:
        return unit, gone
    held = run.state_path(unit.method, unit.variation)
    if held and not held.exists() and any(lacking.values()):
        code = "" if run.config.keep_stale else code_of_state(run.loader, unit.method)
        with suppress(Failed):  # then the maps fail, with the reason
            prepare_state(run, unit.method, unit.variation, code)
    return replace(unit, maps=lacking), gone


def _unsound(run: Run, unit: Unit, folder: Path) -> dict[Path, str]:
    """The unit's files of maps that must not be read, with the reason in a word."""
    found = {}
    for path in layout.block_files(folder, unit.block, layout.MAPS):
        try:
            check(path, run.mine, run.mark(unit.variation))
            if _other_state(run, unit, path):
                raise Unsound(path, FOREIGN)
        except Unsound as error:
            found[path] = error.kind
    return found


def _other_state(run: Run, unit: Unit, path: Path) -> bool:
    """Whether maps were made from another state than the one that the run holds."""
    held = run.state_path(unit.method, unit.variation)
    said = maps.header(path)["state_sha256"]
    return bool(held and held.exists() and said and state.load(held).sha256 != said)
