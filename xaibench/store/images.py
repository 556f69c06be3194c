"""What is known of the images: what each was when results were made of it, and how to forget it.

Kept beside the predictions of untouched images, and beside what methods prepare from images.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from xaibench.errors import XaibenchError
from xaibench.store import layout, maps, sound, tables
from xaibench.store.aside import set_aside
from xaibench.store.atomic import read_json, write_json
from xaibench.store.clean import clear
from xaibench.store.ledger import contents
from xaibench.store.lock import moment
from xaibench.store.origin import Origin, Unsound

KNOWN = pa.schema(
    [("image", pa.string()), *(tables.PREDICTIONS.field(name) for name in tables.CONTENT)]
)
Content = tuple[str, int]
"""What an image is: the values of `tables.CONTENT`."""


def beside_predictions(root: Path, blocks: Iterable[int]) -> list[Path]:
    """The files that say what the images of some blocks were."""
    folder = layout.predictions(root)
    return [p for b in sorted(set(blocks)) for p in layout.block_files(folder, b, layout.TABLE)]


def beside_state(state: Path) -> Path:
    """The file that says of which images a state was prepared."""
    return state.with_suffix(layout.TABLE)


def keep_beside(state: Path, known: Mapping[str, Content], origin: Origin) -> None:
    """Write of which images a state is prepared, if any, before it is written itself."""
    held = {"image": list(known), **columns(known.values())}
    tables.save(beside_state(state), held, KNOWN, origin)


def columns(known: Iterable[Content | None]) -> dict[str, list[object]]:
    """Contents as columns of a table; None as nulls."""
    held = list(known)
    return {name: [one and one[place] for one in held] for place, name in enumerate(tables.CONTENT)}


def read(paths: Iterable[Path], run: str) -> dict[str, set[Content]]:
    """What each image was when a run's results were made of it: once, where nothing has changed.

    run: the hash of the run's identity; files of others, or damaged ones, say nothing.
    """
    found: dict[str, set[Content]] = {}
    for path in paths:
        with suppress(Unsound, FileNotFoundError):
            table, origin = tables.load(path)
            if origin.run != run or not set(KNOWN.names) <= set(table.column_names):
                continue  # of another run, or of an earlier version
            rows = zip(*(table[name].to_pylist() for name in KNOWN.names), strict=True)
            for image, sha256, modified in rows:
                if sha256 is not None:
                    found.setdefault(image, set()).add((sha256, modified))
    return found


def refresh(paths: Iterable[Path], run: str, now: Mapping[str, Content]) -> None:
    """Note that files have another time and the same bytes, where a run's own files say so."""
    for path in paths:
        try:
            table, origin = tables.load(path)
        except (Unsound, FileNotFoundError):
            continue
        if origin.run != run or "modified" not in table.column_names:
            continue
        old = table["modified"].to_pylist()
        ids = table["image"].to_pylist()
        new = [now[i][1] if i in now else was for i, was in zip(ids, old, strict=True)]
        if new != old:
            columns = {name: table[name] for name in table.column_names} | {"modified": new}
            tables.save(path, columns, table.schema, origin)


def check(root: Path, run: str, blocks: Iterable[int], contents: Mapping[str, Content]) -> None:
    """XaibenchError where an image of some blocks was just read and is not the one of the results.

    It is noted, so that the next run finds it even where its file looks the same.
    """
    known = read(beside_predictions(root, blocks), run)
    changed = [
        image
        for image, (sha256, _) in contents.items()
        if sha256 and any(was != sha256 for was, _ in known.get(image, ()))
    ]
    if changed:
        with moment(root, layout.SHARED):
            write_json(_note(root), {"images": sorted({*noted(root), *changed})})
        raise XaibenchError(
            f"{names(changed)} changed since the run began: run the same `xaibench run` again, "
            "which computes anew what rests on that."
        )


def noted(root: Path) -> list[str]:
    """The images that were seen to have changed; those of a damaged note are not known."""
    try:
        held = read_json(_note(root))["images"]
    except (XaibenchError, KeyError, TypeError, RecursionError):
        return []
    return [image for image in held if isinstance(image, str)] if isinstance(held, list) else []


def drop_note(root: Path, settled: Collection[str]) -> None:
    """Drop changed images from the note once their results are forgotten."""
    if not _note(root).exists():
        return
    with moment(root, layout.SHARED):
        left = set(noted(root)) - set(settled)
        if left:  # another shard has seen them meanwhile
            write_json(_note(root), {"images": sorted(left)})
        else:
            _note(root).unlink(missing_ok=True)


def _note(root: Path) -> Path:
    return layout.manifest(root, "changed")


def names(images: Collection[str]) -> str:
    """Images for a person to read: the first, and how many more."""
    first = min(images)
    return f"{first} and {len(images) - 1} more" if len(images) > 1 else first


Rows = Mapping[int, Collection[str]]
"""Image ids by block."""


def forget(root: Path, untouched: Rows, transformed: Rows) -> None:
    """Remove all results of some images, of all methods, targets and metrics.

    transformed: those whose results on transformed inputs go. The predictions of untouched images
    go last: until then the next run sees what has changed.
    """
    for folder, transform, suffix in _folders(root):
        for block, ids in (untouched if transform == "none" else transformed).items():
            for prefix in ("", layout.FAILED):
                for path in layout.block_files(folder, block, suffix, prefix):
                    _take_out(path, ids, prefix)


def _folders(root: Path) -> Iterator[tuple[Path, str, str]]:
    """Every folder of results with its encoded transform and its files' suffix."""
    for folder in root.glob("scores/*/*/*/*/*"):
        yield folder, folder.parts[-3].partition("=")[2], layout.TABLE
    for folder in root.glob("maps/*/*/*/*"):
        yield folder, folder.parts[-2], layout.MAPS
    found = [(folder, folder.parts[-2], layout.TABLE) for folder in root.glob("predictions/*/*")]
    yield from sorted(found, key=lambda one: one[1] == "none")


def _take_out(path: Path, ids: Collection[str], prefix: str) -> None:
    """Write a file of results anew without some images, or remove it."""
    try:
        held, origin = contents(path)
    except Unsound:  # nothing of it is used
        return
    rows = [row for row, image in enumerate(held) if image not in ids]
    if len(rows) == len(held):
        return
    if rows:
        code = "" if prefix else origin.code
        stem = layout.block_name(layout.block_of(path), [held[row] for row in rows], code)
        kind = maps if path.suffix == layout.MAPS else tables
        kind.copy_rows(path, rows, path.with_name(f"{prefix}{stem}{path.suffix}"))
    path.unlink()


def stale_states(
    root: Path, run: str, now: Mapping[str, Content], gone: Collection[Path]
) -> list[Path]:
    """What was prepared from images that are others now, or from nobody knows which.

    gone: states of which results are there and nothing else.
    """
    found = []
    held = (path for path in (root / "state").glob("[!.]*.*") if layout.ours(root, path))
    paths = {path.with_suffix(layout.MAPS) for path in held}
    for state in sorted(paths | set(gone)):
        beside = beside_state(state)
        with suppress(Unsound, FileNotFoundError):
            sound.check(beside, run)
            known = read([beside], run)
            if all(was == now[i][0] for i in known.keys() & now.keys() for was, _ in known[i]):
                continue
        found.append(state)
    return found


def forget_states(root: Path, states: Iterable[Path]) -> list[str]:
    """Remove what was prepared, and all results of these methods; returns their specs."""
    found = []
    for state in states:
        method = state.stem.partition("@")[0]
        for folder in (root / "scores" / f"method={method}", root / "maps" / method):
            clear(root, folder)
        for path in (state, beside_state(state)):
            if path.is_dir():
                set_aside(root, path)
            path.unlink(missing_ok=True)
        found.append(unquote(method))
    return found
