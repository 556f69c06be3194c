"""What in a run directory is damaged, of another run, left over, or not known."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from xaibench.config.files import digest
from xaibench.errors import XaibenchError
from xaibench.store import layout
from xaibench.store.atomic import read_object
from xaibench.store.catalog import catalog_in
from xaibench.store.identity import known
from xaibench.store.ledger import contents
from xaibench.store.manifest import batch_size_record, stored_protocol
from xaibench.store.origin import DAMAGED, Unsound
from xaibench.store.sound import check, made
from xaibench.store.sources import files_of, made_elsewhere

LEFT_OVER, STALE, UNKNOWN = "left over", "stale", "unknown"
SHARED = "xaibench-"
"""Before the process id in the names of files in shared memory."""
SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Finding:
    """A file that is not as it should be. kind: one of the words above, or damaged, foreign."""

    kind: str
    path: Path

    @property
    def removable(self) -> bool:
        """Whether it can be deleted and is then had again, or missed by nobody."""
        return self.kind != UNKNOWN


def findings(root: Path) -> Iterator[Finding]:
    """All but stale results: whether these are depends on the code that is here now.

    Temporary files of a process that is at work are not told from those of a dead one: hold the
    directory (`lock.writing`) to be sure.
    """
    held: dict[tuple[Path, int], list[Path]] = defaultdict(list)
    identity = known(root)
    run = digest(identity) if identity else ""
    for path in layout.stored(root):
        try:
            run = run or made(path).run
            check(path, run)
        except Unsound as found:
            yield Finding(found.kind, path)
        else:
            if path.parent.name != "state" and not path.name.startswith(layout.FAILED):
                held[path.parent, layout.block_of(path)].append(path)
    for paths in held.values():
        yield from (Finding(LEFT_OVER, path) for path in _twice(paths))
    yield from (Finding(DAMAGED, path) for path in _records(root))
    for path in sorted(p for p in root.rglob("*") if not p.is_dir()):
        if path.name.startswith(layout.TEMPORARY) or (root / layout.SET_ASIDE) in path.parents:
            yield Finding(LEFT_OVER, path)
        elif not layout.ours(root, path) and not _of_a_check(root, path):
            yield Finding(UNKNOWN, path)
    yield from (Finding(LEFT_OVER, path) for path in _shared())


def _of_a_check(root: Path, path: Path) -> bool:
    """Whether it is of the runs under other protocols that `check` keeps in `switches/`."""
    folder, *below = path.relative_to(root).parts
    if folder != "switches" or not below:
        return False
    own = root / folder / below[0]
    return path.suffix == ".yaml" if path == own else layout.ours(own, path)


def _twice(paths: list[Path]) -> Iterator[Path]:
    """Files of one block whose images all stand in another one too that the same code made."""
    if len(paths) < 2:
        return
    said = {path: contents(path) for path in paths}
    for path, (ids, origin) in said.items():
        for other, (more, of) in said.items():
            larger = (len(more), str(other)) > (len(ids), str(path))
            if origin.code == of.code and larger and set(ids) <= set(more):
                yield path
                break


def _records(root: Path) -> Iterator[Path]:
    """The run's own records that cannot be read, or have another form."""
    objects = (*layout.manifests(root), *(layout.manifest(root, k) for k in ("identity", "subset")))
    for path in objects:
        if not _good(partial(read_object, path)):
            yield path
    for kind, read in (
        ("protocol", stored_protocol),
        ("catalog", catalog_in),
        ("files", files_of),
        ("maps", made_elsewhere),
        ("batch_size", batch_size_record),
    ):
        path = layout.manifest(root, kind)
        if path.exists() and not _good(partial(read, root)):
            yield path
    for path in sorted(layout.failures(root).rglob("*.json")):
        if layout.ours(root, path) and not _good(partial(read_object, path)):
            yield path


def _good(read: Callable[[], object]) -> bool:
    try:
        read()
    except XaibenchError:
        return False
    return True


def _shared() -> Iterator[Path]:
    """This user's images in shared memory whose process is dead."""
    for path in sorted(SHARED_MEMORY.glob(f"{SHARED}*")):
        number = path.name.removeprefix(SHARED).partition("-")[0]
        dead = number.isdigit() and not Path("/proc", number).exists()
        with suppress(FileNotFoundError):
            if dead and Path("/proc/self").exists() and path.stat().st_uid == os.geteuid():
                yield path


def remove(root: Path, found: Iterable[Finding]) -> int:
    """Delete what can be had again or is missed by nobody; returns how many files."""
    count = 0
    for path in {finding.path for finding in found if finding.removable}:
        with suppress(FileNotFoundError):
            path.unlink()
            count += 1
    aside = root / layout.SET_ASIDE
    for folder, _, _ in os.walk(aside, topdown=False):
        with suppress(OSError):
            Path(folder).rmdir()
    return count
