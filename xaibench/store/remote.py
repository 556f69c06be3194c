"""A run that lies at a URL: copied to this machine to be read or gone on with, and put back.

The copy lies in the user's cache (`config.urls.located`), and all else reads and writes that.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from xaibench.config.urls import COPIES, located, url_of
from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.clean import human
from xaibench.store.copies import Copy, index_of, read_index
from xaibench.store.remote_lock import Lock, holding

Say = Callable[[str], None]
EVERY, SHARE = 15.0, 0.05
"""Seconds between two uploads at least, and the share of the time that they may take."""
PATIENCE = 10.0
"""Seconds in which a reader that only looks who holds the copy lets go of it."""
MAPS = "maps/"
_WRITTEN: set[str] = set()
"""URLs that this process is writing to."""


def url_in(root: Path) -> str:
    """The URL that a directory is the copy of; empty for other directories."""
    if root.parent.name != COPIES:
        return ""
    return str(read_index(index_of(root))[1].get("url", ""))


def place(root: Path) -> str:
    """A run's directory as a person names it: the URL where it is the copy of one."""
    return url_in(root) or str(root)


def fetched(out: str | Path, *folders: str, first: int = 0, new: bool = False) -> Path:
    """The directory to read a run from: the path itself, or the copy of a URL, brought up to date.

    folders: those of the run directory that are needed, by path; all without any. first: of the
    maps those of so many first images of each method are enough; 0: all. new: there may be no run
    yet. Where a run of this machine writes to the URL, its copy is read as it is.
    Raises XaibenchError where there is no run, or where it cannot be read.
    """
    url = url_of(out) or url_in(Path(out))
    if not url:
        return Path(out)
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
        if first:
            _pull_first(copy, first)
        else:
            copy.pull(lambda path: not folders or any(path.startswith(f"{f}/") for f in folders))
    if not (copy.listed or new):
        raise XaibenchError(f"{url} is not a run directory; give the --out of a run.")
    return root


def _pull_first(copy: Copy, count: int) -> None:
    """Fetch all but maps, and of these the blocks up to one where every folder has enough images.

    Whatever takes the first images of the stored maps finds what it would find among all of them.
    """
    copy.pull(lambda path: not path.startswith(MAPS))
    held = [Path(path) for path in copy.listed if path.startswith(MAPS)]
    paths = [path for path in held if layout.BLOCK_FILE.fullmatch(path.name)]
    for block in sorted(set(map(layout.block_of, paths))):
        some = {str(path) for path in paths if layout.block_of(path) <= block}
        copy.pull(some.union({p for p in copy.listed if not p.startswith(MAPS)}).__contains__)
        from xaibench.store.maps import read_ids  # imports torch

        images, more = Counter[Path](), {path.parent for path in paths if str(path) not in some}
        for path in some:
            images[Path(path).parent] += len(read_ids(copy.root / path))
        if all(images[folder] >= count for folder in more):
            break


@contextmanager
def written(out: Path | None, *, wait: bool = False, say: Say) -> Iterator[None]:
    """Have what is written into the copy of a URL meanwhile be put there, as it comes.

    For a path, and within the same for this URL, nothing is done. wait: until another process that
    writes there is done. Raises XaibenchError for what cannot be reached or is in use.
    """
    url = (url_of(out) or url_in(out)) if out else ""
    if not url or url in _WRITTEN:
        yield
        return
    copy = Copy(url, make=True)
    with holding(copy.objects, wait=wait, say=say) as lock, _alone(copy):
        with copy.lock("copy"):
            lost = copy.pull(writes=True)
        for part in lost:
            say(f"damaged or missing: {url}/{part.key}; computed anew")
        size = human(sum(part.size for part in copy.held.values()))
        say(f"{url}: {len(copy.held):,} files, {size}; at work in a copy, {copy.root}")
        _WRITTEN.add(url)
        try:
            with _putting(copy, lock, say):
                yield
        finally:
            _WRITTEN.discard(url)


@contextmanager
def _alone(copy: Copy) -> Iterator[None]:
    """Hold the copy; the URL's lock says that no other run does."""
    held = copy.lock("run")
    try:
        held.acquire(timeout=PATIENCE)
    except Timeout:
        raise XaibenchError(
            f"{copy.root} is in use by another process: wait for its end."
        ) from None
    try:
        yield
    finally:
        held.release()


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
                remedy = ": run the same command again" * ("same command again" not in line)
                raise XaibenchError(f"{line}{remedy}.") from None
            say(line)


def _put(copy: Copy, lock: Lock, ended: threading.Event, say: Say) -> None:
    pause, told = EVERY, False
    while not ended.wait(pause) and not lock.lost:
        began = time.monotonic()
        try:
            copy.push(lock.check)
            told = False
        except (XaibenchError, OSError) as error:
            if not told:
                say(f"not uploaded so far, tried again: {error}")
            told = True
        pause = max(EVERY, (time.monotonic() - began) / SHARE)
