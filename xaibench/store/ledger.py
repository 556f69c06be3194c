"""What a run directory holds and lacks, looked up once and handed down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xaibench.errors import XaibenchError
from xaibench.store import layout, tables
from xaibench.store.atomic import read_json
from xaibench.store.origin import Origin, Unsound
from xaibench.store.sound import check


@dataclass(frozen=True)
class Lacking:
    """Images without a current result, in the order asked; stale: those with an older code's."""

    ids: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()


@dataclass
class Ledger:
    """Reads every folder of a run directory once. run: the hash of the run's identity.

    keep_stale: another code's results count too. unsound: the files met that are damaged, or not
    this run's, with which of the two; what is in them does not count.
    """

    root: Path
    run: str = ""
    keep_stale: bool = False
    unsound: dict[Path, str] = field(default_factory=dict)
    _files: dict[Path, dict[int, list[Path]]] = field(default_factory=dict)

    def lacking(
        self,
        folder: Path,
        block: int,
        ids: Sequence[str],
        code: str,
        subset: str = "",
        *,
        curves: bool = False,
    ) -> Lacking:
        """Which of a block's images have no result in a folder that this code made.

        subset: the hash of the subset that transformed inputs' groups are of. curves: whether
        values without the curve that they come from are no result.
        """
        files = [path for path in self._in(folder).get(block, []) if self.sound(path, subset)]
        files = [path for path in files if not curves or tables.has_curves(path)]
        if not files:
            return Lacking(tuple(ids))
        name = layout.block_name(block, ids, code)
        if any(path.stem == name for path in files):  # of exactly these
            return Lacking()
        current: set[str] = set()
        stale: set[str] = set()
        for path in files:
            try:
                held, origin = contents(path)
            except FileNotFoundError:  # another shard has just put it into one with others
                continue
            (current if self.keep_stale or origin.code == code else stale).update(held)
        lacking = tuple(i for i in ids if i not in current)
        return Lacking(lacking, tuple(i for i in lacking if i in stale))

    def sound(self, path: Path, subset: str | None = "") -> Origin | None:
        """What made a file; None where nothing may be read from it, or it is not there.

        The content of maps is verified when they are loaded.
        """
        try:
            return check(path, self.run, subset, whole=False)
        except FileNotFoundError:
            return None
        except Unsound as found:
            self.unsound[path] = found.kind
            return None

    def _in(self, folder: Path) -> dict[int, list[Path]]:
        """The files of a folder by block."""
        if folder not in self._files:
            by_block: dict[int, list[Path]] = {}
            for path in layout.results(folder):
                by_block.setdefault(layout.block_of(path), []).append(path)
            self._files[folder] = by_block
        return self._files[folder]


def contents(path: Path) -> tuple[tuple[str, ...], Origin]:
    """The images of a file of maps, scores or predictions, and what made it."""
    kind = kind_of(path.suffix)
    return kind.read_ids(path), kind.read_origin(path)


def kind_of(suffix: str) -> Any:
    """The module that reads and writes files of maps, which imports torch, or of tables."""
    if suffix != layout.MAPS:
        return tables
    from xaibench.store import maps

    return maps


def unreadable(root: Path, blocks: Sequence[int] | None = None) -> dict[str, str]:
    """Images that could not be decoded when the run met them, with the reason.

    What damaged lists say is left out.
    """
    folder = layout.failures(root)
    if blocks is None:
        paths = sorted(folder.glob("[0-9]*-*.json"))
    else:
        paths = [p for block in blocks for p in layout.block_files(folder, block, ".json")]
    lists = [listed(path) or {} for path in paths if path.is_file()]  # a pipe would be waited for
    return {image: why for found in lists for image, why in found.items()}


def listed(path: Path) -> dict[str, str] | None:
    """The images that a list of unreadable ones names, and why; None where it is damaged."""
    try:
        found = {row["image"]: row["reason"] for row in read_json(path)["unreadable"]}
    except (XaibenchError, KeyError, TypeError, RecursionError):
        return None
    whole = all(isinstance(text, str) and text for pair in found.items() for text in pair)
    return found if found and whole else None


def give_way(
    folder: Path, suffix: str, block: int, ids: Sequence[str], code: str, *, curves: bool = False
) -> None:
    """Take images out of what another code made of a block, before they are written anew.

    curves: whether out of files without curves too. A kill in between leaves images without a
    result, which the next run computes.
    """
    again = set(ids)
    for path in layout.block_files(folder, block, suffix):
        held, origin = contents(path)
        rows = [row for row, image in enumerate(held) if image not in again]
        current = origin.code == code and not (curves and not tables.has_curves(path))
        if current or len(rows) == len(held):
            continue
        if rows:
            name = layout.block_name(block, [held[row] for row in rows], origin.code)
            kind_of(suffix).copy_rows(path, rows, folder / f"{name}{suffix}")
        path.unlink()
