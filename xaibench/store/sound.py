"""Whether a stored file may be read into a run: whole, in its place, and of that very run.

Imports torch only where maps or states are read: reports need none.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from xaibench.config.files import digest
from xaibench.errors import XaibenchError
from xaibench.store import layout, tables
from xaibench.store.manifest import identity_of
from xaibench.store.origin import FOREIGN, Origin, Unsound

if TYPE_CHECKING:
    from xaibench.store.maps import MapShard
    from xaibench.store.state import State

Stamp = tuple[int, int]
T = TypeVar("T")
STEADY = 5


def check(path: Path, run: str, subset: str | None = None, *, whole: bool = True) -> Origin:
    """What made a file of maps, scores, predictions or a state; each is read once a process.

    run: the hash of the identity that it must be of, and of the subset where one is given. whole:
    whether the content of maps is verified, or what they say of themselves only. Raises Unsound.
    """
    said = made(path, whole=whole)
    if said.run != run or subset not in (None, said.subset):
        raise Unsound(path, FOREIGN)
    return said


def made(path: Path, *, whole: bool = True) -> Origin:
    """What made a file, whichever run that was. Raises Unsound where it is damaged or misplaced."""
    return _read(path, _stamp(path), whole or path.suffix != layout.MAPS)


def _stamp(path: Path) -> Stamp:
    """Changes where a file is written anew."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@functools.lru_cache(maxsize=200_000)
def _read(path: Path, _stamp: Stamp, whole: bool) -> Origin:
    if path.suffix == layout.TABLE:
        return tables.load(path)[1]
    from xaibench.store import maps, state

    if path.parent.name == "state":
        return state.load(path).origin
    return maps.load(path).origin if whole else maps.read_origin(path)


@dataclass
class Reader:
    """Reads files of a run directory for who does not write there.

    run: the hash of the identity that all must be of; that of the first where nothing says it.
    """

    root: Path
    run: str = ""

    def table(self, path: Path) -> pa.Table:
        """Scores or predictions. Raises Unsound."""
        table, made = tables.load(path)
        self._same(path, made)
        return table

    def shard(self, path: Path) -> MapShard:
        """A shard of maps. Raises Unsound."""
        from xaibench.store import maps

        shard = maps.load(path)
        self._same(path, shard.origin)
        return shard

    def prepared(self, path: Path) -> State:
        """What a method prepared. Raises Unsound."""
        from xaibench.store import state

        held = state.load(path)
        self._same(path, held.origin)
        return held

    def _same(self, path: Path, made: Origin) -> None:
        self.run = self.run or made.run
        if made.run != self.run:
            raise Unsound(path, FOREIGN)


def reader(root: Path) -> Reader:
    """A reader of the run that a directory says it is."""
    identity = identity_of(root)
    return Reader(root, digest(identity) if identity else "")


def steadily(read: Callable[[], T]) -> T:
    """Read, and once more where a file went meanwhile: another process is writing there."""
    for _ in range(STEADY):
        try:
            return read()
        except FileNotFoundError as error:
            gone = error
    raise XaibenchError(f"{gone.filename or gone} went while it was read: try again.")
