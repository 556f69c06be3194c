"""What --shard leaves to this process, and how shards that write at the same time keep apart.

A shard has the blocks of its numbers, of untouched images in the dataset's order and of transformed
ones in the subset's. Predictions of untouched images, which say what the classes are, may be needed
of other shards' blocks, too: who needs them makes them, whoever comes first.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

from xaibench.datasets.subset import Subset
from xaibench.stages.run import Run
from xaibench.store import layout
from xaibench.store.lock import moment


def own(run: Run, order: Subset, places: Iterable[int]) -> dict[int, list[int]]:
    """Places by block of an order, in that order: of the blocks that are this process's."""
    part, found = run.config.part, order.blocks(places)
    return found if part is None else {n: held for n, held in found.items() if part.has(n)}


def share(run: Run) -> list[int]:
    """The chosen images of which this process makes maps or scores, in the dataset's order."""
    if run.config.part is None:
        return run.selection
    orders = [run.whole] * (len(run.transformed) < len(run.variations))
    orders += [run.subset] * bool(run.transformed)
    blocks = [own(run, order, run.selection) for order in orders]
    return sorted({place for of in blocks for places in of.values() for place in places})


def forwarded(run: Run) -> dict[int, list[int]]:
    """The untouched images, by block, of which this process needs predictions.

    Those chosen and their companions in transforms' groups; of other shards' blocks what its own
    transformed images need, since their classes come from the untouched ones.
    """
    if not run.transformed:
        return own(run, run.whole, run.selection)
    found = own(run, run.whole, {*run.selection, *run.companions(run.selection)})
    if run.config.part is None:
        return found
    chosen = [p for places in own(run, run.subset, run.selection).values() for p in places]
    needed = run.whole.blocks(run.companions(chosen))
    return dict(sorted((needed | found).items()))


def in_turn(run: Run) -> AbstractContextManager[object]:
    """While open, no other shard reads or writes what all shards share."""
    return nullcontext() if run.config.part is None else moment(run.root, layout.SHARED)


def preparing(run: Run) -> AbstractContextManager[object]:
    """While open, no other shard prepares anything."""
    return nullcontext() if run.config.part is None else moment(run.root, layout.PREPARE)


def words(run: Run) -> str:
    """One line on a shard's share, and on the shards that there is nothing for."""
    part = run.config.part
    assert part is not None
    orders = (run.whole, *([run.subset] if run.transformed else []))
    blocks = {number for order in orders for number in order.blocks(run.selection)}
    line = (
        f"shard {part}: {len(share(run)):,} of {len(run.selection):,} images, in "
        f"{sum(map(part.has, blocks))} of {len(blocks)} blocks"
    )
    busy = {number % part.of for number in blocks}
    idle = [number + 1 for number in range(part.of) if number not in busy]
    if len(idle) == 1:
        return f"{line}; shard {idle[0]} has nothing to do"
    if idle and idle[-1] - idle[0] < len(idle):
        return f"{line}; shards {idle[0]} to {idle[-1]} have nothing to do"
    return line + f"; {len(idle)} of the shards have nothing to do" * bool(idle)
