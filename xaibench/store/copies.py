"""The copy of a run that lies at a URL: fetched from there, put back there.

Files of results are put first, then the list of parts, then what the list no longer has is deleted:
so what a list says is there, whenever a writer is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock

from xaibench.config.urls import located
from xaibench.errors import XaibenchError
from xaibench.store import layout, parts
from xaibench.store.objects import Objects, Version
from xaibench.store.parts import LIST, Part, Parts
from xaibench.store.remote_lock import LOCK

AT_ONCE = 16
"""Files that are on their way at the same time."""
STEADY = 5
"""How often a list is read again where its writer went on meanwhile."""
Wants = Callable[[str], bool]


def everything(_path: str) -> bool:
    """All of a run's files."""
    return True


class _Other(Exception):
    """An object that is missing, or is not what the list says."""


class Copy:
    """The copy of a URL on this machine. held: its files that are as the URL's list has them."""

    def __init__(self, url: str, make: bool = False) -> None:
        self.url, self.root = url, located(Path(url))
        self.objects, self._index = Objects(url, make), index_of(self.root)
        self.held: Parts = {}
        self.listed: Parts = {}
        self._tried: Parts = {}
        self._lost: set[str] = set()
        self._version: Version | None = None

    def lock(self, kind: str) -> FileLock:
        """A lock of this machine: `copy` for who changes the copy, `run` for who writes to it."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root.with_name(f"{self.root.name}.{kind}.lock"))

    def pull(self, wants: Wants = everything, *, writes: bool = False) -> list[Part]:
        """Make the copy what the URL lists: forget other files, and fetch what it lacks.

        What a run has left here and not put there stays, unless another has written there since.
        wants: of which paths the files are fetched. Returns the objects that are damaged or
        missing where it writes, which are computed again; otherwise they are an XaibenchError.
        """
        for _ in range(STEADY):
            was, self.listed, self._version = self._version, *self._read()
            if writes and self._version is None:
                self._begin()
            known, said = read_index(self._index)
            unsent = bool(said.get("unsent")) and said.get("version") == self._version
            unsent = unsent and bool(parts.scan(self.root))
            self.held = self._match(known, keep=unsent)
            lacking = [p for path, p in self.listed.items() if path not in self.held]
            wanted = [part for part in lacking if wants(part.path)]
            with ThreadPoolExecutor(AT_ONCE) as pool:
                found = dict(zip(wanted, pool.map(self._fetch, wanted), strict=True))
            self.held |= {one.path: one for one in found.values() if one}
            self._keep(unsent=writes or unsent)
            lost = [part for part, one in found.items() if one is None]
            self._lost = {part.key for part in lost}
            if writes or not lost:
                return lost
            if was == self._version and was is not None:
                break
        raise XaibenchError(
            f"{self.url}/{lost[0].key} is damaged or missing: run the same `xaibench run` again, "
            "which makes it anew."
        )

    def push(self, check: Callable[[], None]) -> None:
        """Put what is new in the copy, then the list, and delete what that no longer has.

        check: raises where this process may not write there any more.
        """
        now = parts.scan(self.root)
        if not now and self.held:
            raise XaibenchError(f"the copy of {self.url} in {self.root} is gone: run it again")
        fresh = [p for p, look in now.items() if p not in self.held or self.held[p].look != look]
        taken = {part.key for of in (self.listed, self._tried) for part in of.values()}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sent = dict(
                zip(fresh, pool.map(lambda p: self._send(p, now[p], taken), fresh), strict=True)
            )
        new = {path: part for path in now if (part := sent.get(path) or self.held.get(path))}
        if new != self.listed:
            check()
            self._list(new)
        elif not fresh:
            return
        self.held = new
        self._keep(unsent=True)
        for key in taken - {part.key for part in new.values()}:
            self.objects.remove(key)

    def _list(self, new: Parts) -> None:
        """Put another list in the place of the one that is known."""
        data, tried, self._tried = parts.packed(new), self._tried, new
        version = self.objects.replace(LIST, data, self._version or {})
        if version is None:
            there, at = self._read()
            if at and there == tried:  # it was put before, and the answer was lost
                version = self.objects.replace(LIST, data, at)
        if version is None:
            raise XaibenchError(f"{self.url}/{LIST} was written by another process meanwhile")
        self.listed, self._version = new, version

    def close(self) -> None:
        """Note that all that is here is there."""
        self._keep(unsent=False)

    def _begin(self) -> None:
        """Put an empty list, where nothing else is."""
        if found := self.objects.others(LOCK):
            raise XaibenchError(
                f"{self.url} holds {found} and no {LIST}: choose an empty or new --out."
            )
        self._version = self.objects.create(LIST, parts.packed({}))

    def _read(self) -> tuple[Parts, Version | None]:
        found = self.objects.read(LIST)
        try:
            return (parts.unpacked(found.data)[0], found.version) if found else ({}, None)
        except ValueError:
            raise XaibenchError(
                f"{self.url}/{LIST} is damaged: put an earlier version of it back, or choose "
                "another --out."
            ) from None

    def _match(self, known: Parts, keep: bool) -> Parts:
        """The files here that the list has; others are deleted, unless they are to be kept."""
        if keep:
            return {path: part for path, part in known.items() if self.listed.get(path) == part}
        held: Parts = {}
        for path, look in parts.scan(self.root).items():
            asked, here = self.listed.get(path), known.get(path)
            if asked and asked.size == look[0]:
                sure = here is not None and here.look == look
                content = here.sha256 if here and sure else parts.sha256(self.root / path)
                if content == asked.sha256:
                    held[path] = replace(asked, modified=look[1])
                    continue
            (self.root / path).unlink(missing_ok=True)
        return held

    def _fetch(self, part: Part) -> Part | None:
        """Fetch a file; None where its object is missing or another."""

        def save(into: Path) -> None:
            if self.objects.save(part.key, into) != part.sha256:
                raise _Other

        with suppress(_Other):
            _write(self.root / part.path, save)
            look = parts.seen(self.root / part.path)
            return replace(part, modified=look[1]) if look else None
        return None

    def _send(self, path: str, look: tuple[int, int], taken: Collection[str]) -> Part | None:
        """Put a file; None where it went or changed meanwhile: its turn comes again."""
        file, was = self.root / path, self.listed.get(path)
        content = parts.sha256(file)
        new = was is None or was.sha256 != content or was.key in self._lost
        key = parts.key_for(path, content, taken) if new or was is None else was.key
        if new and parts.seen(file) == look:
            self.objects.send(key, file)
        if parts.seen(file) != look:
            return None
        return Part(path, key, look[0], content, look[1])

    def _keep(self, *, unsent: bool) -> None:
        data = parts.packed(self.held, url=self.url, version=self._version, unsent=unsent)
        _write(self._index, lambda file: file.write_bytes(data))


def _write(path: Path, save: Callable[[Path], object]) -> None:
    """Write a file whole or not at all, from any thread; it may be lost with the power.

    `store.atomic` asks for the process's umask, which one thread alone can do.
    """
    temporary = path.with_name(f"{layout.TEMPORARY}{uuid4().hex}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            save(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise XaibenchError(
            f"cannot write {path}: {error.strerror or error}; free space, or set XDG_CACHE_HOME."
        ) from None


def index_of(root: Path) -> Path:
    """The file that says what is known of a copy."""
    return root.with_name(f"{root.name}.parquet")


def read_index(path: Path) -> tuple[Parts, dict[str, Any]]:
    """The files of a copy, and of which URL and list it is; nothing where that is not known."""
    with suppress(ValueError, FileNotFoundError):
        return parts.unpacked(path.read_bytes())
    return {}, {}
