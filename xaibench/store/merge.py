"""Put run directories of one run together: what one process would have written, or nothing."""

from __future__ import annotations

import heapq
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from xaibench.config.files import digest
from xaibench.errors import XaibenchError
from xaibench.store import layout, overlap, remote, tables
from xaibench.store.agree import check_alike, join_records
from xaibench.store.atomic import damaged, read_object, write_json
from xaibench.store.compact import compact
from xaibench.store.identity import known
from xaibench.store.ledger import contents, kind_of, listed
from xaibench.store.lock import writing
from xaibench.store.sound import check

Key = Callable[[str], Any]
"""What an image is sorted by in the dataset's order, as far as its name says it."""
STAGING = ".merging"


@dataclass
class Merged:
    """What was put together: images with predictions, files, and blocks that lay in parts."""

    images: int = 0
    files: int = 0
    joined: int = 0


@dataclass(frozen=True)
class _Place:
    """Where files of one block lie below a run directory; prefix: that of failed rows, or none."""

    folder: Path
    block: int
    suffix: str
    prefix: str = ""


def merge(sources: Sequence[Path], out: Path, key: Key) -> Merged:
    """Make a new directory of all that some hold; they stay as they are, and share its files.

    Raises XaibenchError, and makes nothing, where they are not of one run, where two differ in what
    both hold, where a file is damaged or foreign, or where one is in use.
    """
    _check(sources, out)
    with ExitStack() as held:
        for source in sources:
            held.enter_context(writing(source, remedy="wait for its end"))
        check_alike(sources)
        aside = out.absolute().with_name(f".{out.absolute().name}{STAGING}")
        held.enter_context(writing(aside, remedy="wait for its end"))
        try:
            _empty(aside)
            done = _Merge(sources, aside, key).all()
            (aside / layout.HOLDER).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                out.rmdir()
            aside.rename(out)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    return done


def _check(sources: Sequence[Path], out: Path) -> None:
    """XaibenchError for what is no run directory, and for a place that is taken."""
    for source in sources:
        if not layout.is_run(source):
            raise XaibenchError(f"{source} is not a run directory; give the --out of a run.")
    if len({source.resolve() for source in sources}) < len(sources):
        raise XaibenchError("a run directory is given twice: name each once.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise XaibenchError(f"{remote.place(out)} is there and not empty: choose a new --out.")


def _empty(folder: Path) -> None:
    """Delete what a merge that was killed left, but for the lock that this one holds."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in (layout.LOCK, layout.HOLDER):
            path.unlink()


@dataclass
class _Merge:
    """The work: sources, and the directory that is filled."""

    sources: Sequence[Path]
    out: Path
    key: Key
    done: Merged = field(default_factory=Merged)

    def all(self) -> Merged:
        """Do it: records first, then results, then what failed."""
        join_records(self.sources, self.out)
        run = digest(known(self.out))
        places: dict[_Place, dict[Path, list[Path]]] = {}
        states: dict[str, list[Path]] = {}
        for source in self.sources:
            for path in layout.stored(source):
                if path.name.startswith(layout.TEMPORARY):  # left by a kill
                    continue
                check(path, run, whole=False)
                if path.parent.name == "state":
                    states.setdefault(path.name, []).append(path)
                else:
                    held = places.setdefault(_place(source, path), {})
                    held.setdefault(source, []).append(path)
        self._states(states)
        for place in sorted(places, key=lambda one: (str(one.folder), one.block, one.prefix)):
            whole = _Place(place.folder, place.block, place.suffix)
            better = places.get(whole, {}) if place.prefix else {}
            self._results(place, [*places[place].values()], _all(better.values()))
        self._failures()
        folder = layout.predictions(self.out)
        self.done.files = len(layout.stored(self.out))
        self.done.images = len(
            {i for path in layout.results(folder) for i in tables.read_ids(path)}
        )
        return self.done

    def _states(self, states: Mapping[str, list[Path]]) -> None:
        """What methods prepared, with what says of which images: both of the first that has it."""
        for name, paths in states.items():
            first = paths[0]
            if first.suffix == layout.TABLE:
                continue
            for other in paths[1:]:
                if not overlap.same_states(first, other):
                    raise XaibenchError(
                        f"{first} and {other} differ: nothing was written; delete one of them with "
                        "the results that rest on it, and run the same command again."
                    )
            self._link(first, self.out / "state" / name)
            beside = first.with_suffix(layout.TABLE)
            if beside.exists():
                self._link(beside, self.out / "state" / beside.name)

    def _results(self, place: _Place, of: Sequence[list[Path]], better: Iterable[Path]) -> None:
        """The files of one block, by who has them.

        better: those with values, beside which no failed row of an image stays.
        """
        into, paths = self.out / place.folder, _all(of)
        instead = {image for path in better for image in contents(path)[0]}
        if not instead and len(of) == 1:
            for path in paths:
                self._link(path, into / path.name)
            return
        if place.suffix == layout.TABLE:  # curves before the same values without them
            paths = sorted(paths, key=lambda path: not tables.has_curves(path))
        for path, rows in overlap.first_rows(paths, compare=not place.prefix):
            ids, made = contents(path)
            kept = [row for row in rows if ids[row] not in instead]
            if len(kept) == len(ids):
                self._link(path, into / path.name)
            elif kept:
                code = "" if place.prefix else made.code
                name = layout.block_name(place.block, [ids[row] for row in kept], code)
                kind_of(path.suffix).copy_rows(
                    path, kept, into / f"{place.prefix}{name}{path.suffix}"
                )
        files = layout.block_files(into, place.block, place.suffix, place.prefix)
        if len(files) > 1 and not place.prefix:
            order = self._ordered(place.folder, [contents(path)[0] for path in files])
            compact(into, place.suffix, place.block, order)
            self.done.joined += 1

    def _ordered(self, folder: Path, parts: Sequence[Sequence[str]]) -> list[str]:
        """Images of several files, each in the order of the blocks, in that order.

        Where the files leave open which of two comes first, `key` says it.
        """
        transform = folder.parts[-3].partition("=")[2] if folder.parts[0] == "scores" else ""
        subset = read_object(layout.manifest(self.out, "subset"))
        ids = subset.get("ids") if (transform or folder.parts[-2]) != "none" else None
        key = self.key
        if ids is not None:
            key = {image: place for place, image in enumerate(ids)}.__getitem__
        return list(dict.fromkeys(heapq.merge(*parts, key=key)))

    def _failures(self) -> None:
        """Images that could not be read, one list a block, and units that failed."""
        lists: dict[int, list[Path]] = {}
        units: dict[Path, list[Path]] = {}
        for source in self.sources:
            for path in sorted(layout.failures(source).glob("[0-9]*-*.json")):
                if layout.ours(source, path):
                    lists.setdefault(layout.block_of(path), []).append(path)
            for path in sorted((layout.failures(source) / "units").rglob("*.json")):
                if layout.ours(source, path):
                    units.setdefault(path.relative_to(source), []).append(path)
        for block, paths in lists.items():
            self._lists(block, paths)
        for place, paths in units.items():
            self._units(place, paths)

    def _lists(self, block: int, paths: Sequence[Path]) -> None:
        if len(paths) == 1:
            self._link(paths[0], layout.failures(self.out) / paths[0].name)
            return
        held = [listed(path) or {} for path in paths]
        if {} in held:
            raise damaged(paths[held.index({})])
        found = {image: why for one in held for image, why in one.items()}
        ids = self._ordered(Path("predictions/none/none"), [list(one) for one in held])
        rows = [{"image": image, "reason": found[image]} for image in ids]
        path = layout.failures(self.out) / f"{layout.block_name(block, ids)}.json"
        write_json(path, {"unreadable": rows})

    def _units(self, place: Path, paths: Sequence[Path]) -> None:
        """Records of the same code are joined; of several codes the first stays.

        None stays of what one directory has and another has failed on.
        """
        records = [read_object(path) for path in paths]
        alike = [one for one in records if one.get("code") == records[0].get("code")]
        if self._had(place, alike):
            return
        if len(alike) == 1:
            self._link(paths[0], self.out / place)
            return
        many = {
            name: list(dict.fromkeys(value for one in alike for value in one.get(name, ())))
            for name in ("images", "targets")
        }
        why = {image: of for one in alike for image, of in one.get("reasons", {}).items()}
        write_json(self.out / place, {**alike[0], **many, **({"reasons": why} if why else {})})

    def _had(self, place: Path, records: Sequence[Mapping[str, Any]]) -> bool:
        """Whether all images of a unit that failed are there, and no failed rows of its block."""
        *of, what = map(unquote, place.parts[-5:-1])
        key, block = layout.UnitKey(*of), int(place.stem)
        wanted = {
            (target, image)
            for one in records
            for target in one.get("targets", ())
            for image in one.get("images", ())
        }
        for target in {target for target, _ in wanted}:
            scores = key.scores(self.out, target, what)
            folders = {scores: layout.TABLE}
            if not scores.exists():  # `explain`: maps, or the scores of those that are not kept
                folders = dict.fromkeys(scores.parent.glob("metric=*"), layout.TABLE)
                folders[key.maps(self.out, target)] = layout.MAPS
            for folder, suffix in folders.items():
                if layout.block_files(folder, block, suffix, layout.FAILED):
                    return False
                for path in layout.block_files(folder, block, suffix):
                    wanted -= {(target, image) for image in contents(path)[0]}
        return not wanted and any(one.get("images") for one in records)

    def _link(self, path: Path, into: Path) -> None:
        """The same file under another name, or a copy on another disk: none is changed in place."""
        try:
            into.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, into)
            except FileExistsError:
                return
            except OSError:
                shutil.copy2(path, into)
        except OSError as error:
            raise XaibenchError(
                f"cannot write {into}: {error.strerror or error}; choose another --out or free "
                "space."
            ) from None


def _place(source: Path, path: Path) -> _Place:
    prefix = layout.FAILED if path.name.startswith(layout.FAILED) else ""
    folder = path.parent.relative_to(source)
    return _Place(folder, layout.block_of(path), path.suffix, prefix)


def _all(parts: Iterable[Iterable[Path]]) -> list[Path]:
    return [path for part in parts for path in part]
