"""Before a run's plan: images that have changed since, and unreadable ones that can be read now.

Their results are removed, so that no two results of a run are of different pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from xaibench.datasets.blobs import Content, content
from xaibench.datasets.load import Unreadable
from xaibench.datasets.pixels import Geometry, read_pixels
from xaibench.datasets.subset import Subset, recorded
from xaibench.stages.run import Run
from xaibench.stages.share import forwarded, in_turn
from xaibench.store import images, layout
from xaibench.store.aside import set_aside
from xaibench.store.atomic import read_json, write_json
from xaibench.store.ledger import listed

SMALL = Geometry(32, 32, True)
"""What images are decoded to where only one thing is asked: whether they can be."""


def settle(
    run: Run, say: Callable[[str], None], alone: Callable[[str], None] = lambda _remedy: None
) -> None:
    """Forget all results of images that have changed, and list no image that can be read.

    Where nothing has changed it costs one look at each file's time, and each image of failures/
    is tried. Nothing is computed here. say gets a line for each kind of thing found. A shard looks
    at the images that it needs; where others' results have to go, alone raises if they are at work.
    """
    at = {image: place for place, image in enumerate(run.dataset.ids)}
    note = images.noted(run.root)
    asked = {p for places in forwarded(run).values() for p in places}
    asked |= (noted := {at[image] for image in note if image in at})
    lists = {path: listed(path) for path in _lists(run, asked) if path.is_file()}
    good = {path: found for path, found in lists.items() if found and _ours(run, at, path, found)}
    damaged = [path for path in lists if path not in good]
    mended = _readable(run, {at[image] for found in good.values() for image in found} & asked)
    changed = _changed(run, at, asked, noted)
    now = {run.dataset.ids[place]: content for place, content in (changed | mended).items()}
    states = images.stale_states(run.root, run.mine, now, _unknown(run))
    back = {*mended, *_left_out(run, damaged)}
    grouped = _grouped(run, {*changed, *back})
    touched = {*map(run.whole.block, {*changed, *back}), *grouped}
    part = run.config.part
    if part and (states or not all(map(part.has, touched))):
        alone(
            "images have changed since the run began, and results of other shards rest on them: "
            "wait for its end, then run the same command again"
        )
    specs = images.forget_states(run.root, states)
    if changed or back:
        with in_turn(run):
            images.forget(run.root, _rows(run, run.whole.blocks(changed)), _rows(run, grouped))
    _tell(run, changed, mended, damaged, specs, say)
    for path in damaged:
        set_aside(run.root, path)
    for path, found in good.items():
        _list_again(path, found, set(run.ids(mended)))
    images.drop_note(run.root, note)


def _lists(run: Run, asked: Collection[int]) -> list[Path]:
    """The lists of unreadable images; for a shard, those of the blocks of what it needs."""
    paths = sorted(layout.failures(run.root).glob("[0-9]*-*.json"))
    if run.config.part is None:
        return paths
    near = {f"{number:05d}" for number in map(run.whole.block, asked)}
    return [path for path in paths if path.name.partition("-")[0] in near]


def _ours(run: Run, at: Mapping[str, int], path: Path, found: Collection[str]) -> bool:
    """Whether all images that a list names are the dataset's, and of the block of its name."""
    blocks = {run.whole.block(at[image]) if image in at else -1 for image in found}
    return {f"{block:05d}" for block in blocks} == {path.name.partition("-")[0]}


def _readable(run: Run, places: Collection[int]) -> dict[int, Content]:
    """Those of some places whose images can be decoded."""
    tried = sorted(places)
    _, seen = read_pixels([run.dataset.blob(p) for p in tried], SMALL, run.config.workers)
    return {p: one.content for p, one in zip(tried, seen, strict=True) if one.reason is None}


def _changed(
    run: Run, at: Mapping[str, int], asked: Collection[int], noted: Collection[int]
) -> dict[int, Content]:
    """Images that are others than those that results are of; only suspicious files are read.

    noted: places that a run saw to have changed, whatever their files' times.
    """
    states = {path for m in run.methods for v in run.variations if (path := run.state_path(m, v))}
    beside = [images.beside_state(path) for path in states]
    blocks = images.beside_predictions(run.root, map(run.whole.block, asked))
    known = images.read(beside, run.mine)
    for image, held in images.read(blocks, run.mine).items():
        if at.get(image) in asked:
            known.setdefault(image, set()).update(held)
    changed: dict[int, Content] = {}
    touched: dict[str, Content] = {}
    for image, held in known.items():
        place = at.get(image)
        if place is None:
            continue
        times = {time for _, time in held}
        if len(held) == 1 and times == {run.dataset.modified(place)} and place not in noted:
            continue
        now = content(run.dataset.blob(place))
        if any(was != now.sha256 for was, _ in held):
            if now.sha256:  # else nothing is known of it now: who needs it says so
                changed[place] = now
        else:
            touched[image] = now
    if touched:
        with in_turn(run):
            images.refresh([*beside, *blocks], run.mine, touched)
    return changed


def _unknown(run: Run) -> set[Path]:
    """States of which nothing says what images they were of, though scores rest on them."""
    found = set()
    for method, variation in itertools.product(run.methods, run.variations):
        path = run.state_path(method, variation)
        view = f"transform={layout.encode(variation.transform)}"
        view += f"/variation={layout.encode(variation.name)}"
        held = (run.root / "scores").glob(f"method={layout.encode(method.spec)}/*/{view}/*/[0-9]*")
        if path and not images.beside_state(path).exists() and any(held):
            found.add(path)
    return found


def _left_out(run: Run, damaged: Sequence[Path]) -> set[int]:
    """Images that a damaged list may have named: of its block, those without a prediction."""
    numbers = {int(n) for path in damaged if (n := path.name.partition("-")[0]).isdecimal()}
    predicted = images.read(images.beside_predictions(run.root, numbers), run.mine)
    places = range(len(run.dataset)) if numbers else ()
    return {
        place
        for place in places
        if run.whole.block(place) in numbers and run.dataset.ids[place] not in predicted
    }


def _grouped(run: Run, places: Collection[int]) -> dict[int, list[int]]:
    """By block, the images whose results on transformed inputs may rest on some: their groups."""
    subset = _subset(run) if places else None
    if subset is None:
        return {}
    inside = [place for place in places if place in subset.positions]
    return subset.blocks(p for group in subset.groups(inside) for p in group)


def _rows(run: Run, blocks: Mapping[int, Sequence[int]]) -> dict[int, set[str]]:
    return {number: set(run.ids(places)) for number, places in blocks.items()}


def _subset(run: Run) -> Subset | None:
    """The subset that the groups in the directory are of, if it has any."""
    path = layout.manifest(run.root, "subset")
    if run.transformed or not path.exists():
        return run.subset if run.transformed else None
    return recorded(run.dataset, read_json(path))


def _tell(
    run: Run,
    changed: Collection[int],
    mended: Collection[int],
    damaged: Sequence[Path],
    states: Sequence[str],
    say: Callable[[str], None],
) -> None:
    """Say what was found, a line for each kind."""
    if changed:
        whose = "its" if len(changed) == 1 else "their"
        named = images.names(run.ids(changed))
        say(f"changed since the run began: {named}: {whose} results are computed anew")
    if states:
        say(
            f"all results of {', '.join(states)} are computed anew: what they rest on is of other "
            "images, or it is not known of which"
        )
    if mended:
        say(f"readable now, and taken out of failures/: {images.names(run.ids(mended))}")
    for path in damaged:
        say(f"damaged: {path} lists no unreadable images of this run: set aside")


def _list_again(path: Path, found: Mapping[str, str], readable: Collection[str]) -> None:
    """Write a list of unreadable images without those that can be read now."""
    left = [Unreadable(image, why) for image, why in found.items() if image not in readable]
    if left and len(left) < len(found):
        name = layout.block_name(layout.block_of(path), [one.image for one in left])
        write_json(path.with_name(f"{name}.json"), {"unreadable": [asdict(one) for one in left]})
    if len(left) < len(found):
        path.unlink()
