"""A run that lies at a URL: copied to this machine to be read or gone on with, and put back.

The copy lies in the user's cache (`config.urls.located`), and all else reads and writes that. Files
of results are put first, then the list of parts, then what the list no longer has is deleted: so
what a list says is there, whenever a writer is killed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from xaibench.config.urls import copies, located, url_of
from xaibench.errors import XaibenchError
from xaibench.store import atomic, parts
from xaibench.store.clean import human
from xaibench.store.objects import Objects, Version
from xaibench.store.parts import LIST, Part, Parts
from xaibench.store.remote_lock import Lock, holding

Say = Callable[[str], None]
AT_ONCE = 16
"""Files that are on their way at the same time."""
EVERY, SHARE = 15.0, 0.05
"""Seconds between two uploads at least, and the share of the time that they may take."""
STEADY = 5
"""How often a list is read again where its writer went on meanwhile."""
_WRITTEN: set[str] = set()
"""URLs that this process is writing to."""


class _Other(Exception):
    """An object that is missing, or is not what the list says."""


class Copy:
    """The copy of a URL on this machine. held: its files that are as the URL's list has them."""

    def __init__(self, url: str, make: bool = False) -> None:
        self.url, self.root = url, located(Path(url))
        self.objects, self._index = Objects(url, make), _index_of(self.root)
        self.held: Parts = {}
        self.listed: Parts = {}
        self._version: Version | None = None

    def lock(self, kind: str) -> FileLock:
        """A lock of this machine: `copy` for who changes the copy, `run` for who writes to it."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root.with_name(f"{self.root.name}.{kind}.lock"))

    def pull(self, folders: Collection[str] = (), *, writes: bool = False) -> list[Part]:
        """Make the copy what the URL lists: forget other files, and fetch what it lacks.

        What a run has left here and not put there stays, unless another has written there since.
        folders: fetch only what is below these. Returns the objects that are damaged or missing:
        writes: they are computed again; otherwise they are an XaibenchError.
        """
        for _ in range(STEADY):
            was, self.listed, self._version = self._version, *self._read()
            known, said = _read_index(self._index)
            unsent = bool(said.get("unsent")) and said.get("version") == self._version
            unsent = unsent and bool(parts.scan(self.root))
            self.held = self._match(known, keep=unsent)
            wanted = [p for path, p in self.listed.items() if path not in self.held]
            wanted = [p for p in wanted if not folders or p.path.partition("/")[0] in folders]
            with ThreadPoolExecutor(AT_ONCE) as pool:
                found = dict(zip(wanted, pool.map(self._fetch, wanted), strict=True))
            self.held |= {one.path: one for one in found.values() if one}
            self._keep(unsent=writes or unsent)
            lost = [part for part, one in found.items() if one is None]
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
        taken = {part.key for part in self.listed.values()}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sent = dict(
                zip(fresh, pool.map(lambda p: self._send(p, now[p], taken), fresh), strict=True)
            )
        new = {path: part for path in now if (part := sent.get(path) or self.held.get(path))}
        if new != self.listed:
            check()
            data = parts.packed(new)
            version = (
                self.objects.replace(LIST, data, self._version)
                if self._version
                else self.objects.create(LIST, data)
            )
            if version is None:
                raise XaibenchError(f"{self.url}/{LIST} was written by another process meanwhile")
            self.listed, self._version = new, version
        self.held = new
        self._keep(unsent=True)
        for key in taken - {part.key for part in new.values()}:
            self.objects.remove(key)

    def close(self) -> None:
        """Note that all that is here is there."""
        self._keep(unsent=False)

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
            atomic.write(self.root / part.path, save)
            look = parts.seen(self.root / part.path)
            return replace(part, modified=look[1]) if look else None
        return None

    def _send(self, path: str, look: tuple[int, int], taken: Collection[str]) -> Part | None:
        """Put a file; None where it went or changed meanwhile: its turn comes again."""
        file, was = self.root / path, self.listed.get(path)
        content = parts.sha256(file)
        new = was is None or was.sha256 != content
        key = parts.key_for(path, content, taken) if new or was is None else was.key
        if new and parts.seen(file) == look:
            self.objects.send(key, file)
        if parts.seen(file) != look:
            return None
        return Part(path, key, look[0], content, look[1])

    def _keep(self, *, unsent: bool) -> None:
        data = parts.packed(self.held, url=self.url, version=self._version, unsent=unsent)
        atomic.write(self._index, lambda file: file.write_bytes(data))


def _index_of(root: Path) -> Path:
    """The file that says what is known of a copy."""
    return root.with_name(f"{root.name}.parquet")


def _read_index(path: Path) -> tuple[Parts, dict[str, Any]]:
    with suppress(ValueError, FileNotFoundError):
        return parts.unpacked(path.read_bytes())
    return {}, {}


def url_in(root: Path) -> str:
    """The URL that a directory is the copy of; empty for other directories."""
    return str(_read_index(_index_of(root))[1].get("url", "")) if root.parent == copies() else ""


def fetched(place: str | Path, *folders: str, new: bool = False) -> Path:
    """The directory to read a run from: the path itself, or the copy of a URL, brought up to date.

    folders: those of the run directory that are needed, all without any. new: there may be no run
    yet. Where a run on this machine writes to the URL, its copy is read as it is.
    Raises XaibenchError where there is no run, or where it cannot be read.
    """
    url = url_of(place) or url_in(Path(place))
    if not url:
        return Path(place)
    root = located(Path(url))
    if url in _WRITTEN or (new and url.startswith("file:") and not Path(url[7:]).exists()):
        return root
    copy = Copy(url)
    with copy.lock("copy"):
        running = copy.lock("run")
        try:
            running.acquire(timeout=0)
            running.release()
        except Timeout:
            return root
        copy.pull(folders)
    if not (copy.listed or new):
        raise XaibenchError(f"{url} is not a run directory; give the --out of a run.")
    return root


@contextmanager
def written(place: Path | None, *, wait: bool = False, say: Say) -> Iterator[None]:
    """Have what is written into the copy of a URL meanwhile be put there, as it comes.

    For a path, and within the same for this URL, nothing is done. wait: until another process that
    writes there is done. Raises XaibenchError for what cannot be reached or is in use.
    """
    url = (url_of(place) or url_in(place)) if place else ""
    if not url or url in _WRITTEN:
        yield
        return
    copy = Copy(url, make=True)
    with holding(copy.objects, wait=wait, say=say) as lock, copy.lock("run"):
        with copy.lock("copy"):
            lost = copy.pull(writes=True)
        for part in lost:
            say(f"damaged or missing: {url}/{part.key}; computed anew")
        size = human(sum(part.size for part in copy.held.values()))
        say(f"{url}: {len(copy.held):,} files ({size}), copied in {copy.root}")
        _WRITTEN.add(url)
        try:
            with _putting(copy, lock, say):
                yield
        finally:
            _WRITTEN.discard(url)


@contextmanager
def _putting(copy: Copy, lock: Lock, say: Say) -> Iterator[None]:
    """Put what comes into a copy, now and then, and the rest at the end."""
    ended, whole = threading.Event(), False
    thread = threading.Thread(target=_put, args=(copy, lock, ended, say), daemon=True)
    thread.start()
    try:
        yield
        whole = True
    finally:
        ended.set()
        thread.join()
        if lock.lost:
            raise XaibenchError(f"{lock.lost}.") from None
        try:
            copy.push(lock.check)
            copy.close()
        except XaibenchError as error:
            line = f"{str(error).rstrip('.')}; what is not there yet is kept in {copy.root}"
            if whole:
                raise XaibenchError(f"{line}: run the same command again.") from None
            say(line)


def _put(copy: Copy, lock: Lock, ended: threading.Event, say: Say) -> None:
    pause, told = EVERY, False
    while not ended.wait(pause) and not lock.lost:
        began = time.monotonic()
        try:
            copy.push(lock.check)
            told = False
        except XaibenchError as error:
            if not told:
                say(f"not uploaded so far, tried again: {error}")
            told = True
        pause = max(EVERY, (time.monotonic() - began) / SHARE)
