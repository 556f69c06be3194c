"""Do the methods point at the same pixels? Maps of the same image compared, pair by pair.

Stored maps are read a shard at a time and a few images are held at once, whatever the number of
images; what is kept is two numbers an image and pair.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xaibench.analysis.agreement import Agreement, pair_places
from xaibench.analysis.columns import TARGET_NAMES
from xaibench.config.declared import shipped
from xaibench.errors import UsageError, XaibenchError
from xaibench.execution.progress import progress
from xaibench.normalize import STATUS_CONSTANT, STATUS_OK, statuses
from xaibench.stages.steps import IMAGES, Step
from xaibench.store import layout
from xaibench.store.accuracy import accuracy_in
from xaibench.store.catalog import catalog_in
from xaibench.store.read import MapReader

if TYPE_CHECKING:
    from rich.console import Console

TOP = 0.1
_STEP = 8  # images at once: 10 methods x 8 x 224 x 224 in float64 are 32 MB


def write_agreement(
    root: Path, console: Console, top: float = TOP, only: Collection[str] | None = None
) -> list[Path]:
    """Compare the stored maps of a run; print the table, write table and heat map.

    only: these methods alone, as far as they have maps. Returns `agreement.md`, `.csv`, `.json`,
    `.png` and `.svg` in the run's report directory.
    Raises UsageError for a share `top` outside of (0, 1], XaibenchError where fewer than two
    methods have maps.
    """
    from xaibench import report

    target = _main_target(root)
    names = [name for name in layout.mapped(root, target) if only is None or name in only]
    agreement = compare(root, names, target, top)
    accuracy = accuracy_in(root, agreement.images)
    return report.write_agreement(agreement, root / "report", console, accuracy, str(root))


def compare(
    root: Path,
    methods: Sequence[str] | None = None,
    target: str | None = None,
    top: float = TOP,
    first: int | None = None,
) -> Agreement:
    """Spearman's correlation and overlap of the top pixels of every two methods on every image.

    Args:
        root: run directory.
        methods: specs; all that have maps by default.
        target: the explained class; ground_truth by default, or the first that there are maps of.
        top: share of the pixels, ties in row-major order, rounded to pixels.
        first: so many images alone.
    """
    if not 0 < top <= 1:
        raise UsageError(f"top {top:g}: give a share of the pixels, above 0 and at most 1.")
    target = target or _main_target(root)
    names = layout.mapped(root, target) if methods is None else list(methods)
    if len(names) < 2:
        raise XaibenchError(
            f"agreement compares at least two methods; {root} has maps of {len(names)} for "
            f"{target}: run `xaibench explain` for more."
        )
    readers = [MapReader(root, name, target) for name in names]
    # Blocks are the same for every method: in their order each shard is read once.
    ids = list(dict.fromkeys(image for reader in readers for image in reader.ids))[:first]
    rows, columns = pair_places(len(names))
    shape = (len(ids), len(rows))
    correlation, overlap = np.full(shape, np.nan), np.full(shape, np.nan)
    constant = np.zeros(shape, dtype=bool)
    pixels = 0
    with progress({IMAGES: len(ids)}) as tick:
        for start in range(0, len(ids), _STEP):
            part = ids[start : start + _STEP]
            maps, status = _take(readers, part)
            pixels = max(1, round(top * maps[0, 0].numel()))
            rho, share = pairwise(maps, pixels)
            usable = status == STATUS_OK
            both = usable[:, rows] & usable[:, columns]
            piece = slice(start, start + len(part))
            correlation[piece] = np.where(both, rho.numpy()[:, rows, columns], np.nan)
            overlap[piece] = np.where(both, share.numpy()[:, rows, columns], np.nan)
            known = np.isin(status, [STATUS_OK, STATUS_CONSTANT])
            constant[piece] = known[:, rows] & known[:, columns] & ~both
            tick(Step("agreement", "images", "", {IMAGES: len(part)}, len(part)))
    catalog = catalog_in(root) or shipped()
    return Agreement(
        tuple(names), target, ids, correlation, overlap, constant, top, pixels, catalog
    )


def pairwise(maps: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
    """Spearman's correlation and the shared part of the top pixels, of every two maps.

    maps (B, M, H, W): M maps of each of B images. Returns two tensors (B, M, M) float64; the
    correlation with a constant map is NaN, its overlap is decided by the order of ties alone.
    """
    images, count = maps.shape[:2]
    order, ranks = _places_and_ranks(maps.flatten(0, 1).flatten(1))
    ranks /= ranks.norm(dim=1, keepdim=True)
    ranks = ranks.view(images, count, -1)
    chosen = torch.zeros(order.shape).scatter_(1, order[:, :pixels], 1.0).view(images, count, -1)
    shared = (chosen @ chosen.mT).double() / pixels
    return (ranks @ ranks.mT).clamp(-1, 1), shared


def _places_and_ranks(values: Tensor) -> tuple[Tensor, Tensor]:
    """From one sort of rows (B, N): pixels from the most salient on, and centred mean ranks.

    Ties stand in row-major order in the first and share their rank in the second. The same as
    `ops.ranking.order` and `ops.statistics.mean_ranks` (but for the sign of the ranks), which
    sort three times: with ten methods an image costs 0.12 s instead of 0.31 s.
    """
    ordered, order = values.sort(dim=1, descending=True, stable=True)
    count = values.shape[1]
    index = torch.arange(count)
    starts = torch.ones(values.shape, dtype=torch.bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    ends = starts.roll(-1, 1)  # the next value's start; the last value's is the first's
    first = torch.where(starts, index, 0).cummax(1).values
    last = torch.where(ends, index, count).flip(1).cummin(1).values.flip(1)
    shared = (first + last).double() / 2 - (count - 1) / 2
    return order, torch.empty_like(shared).scatter_(1, order, shared)


def _take(readers: Sequence[MapReader], ids: list[str]) -> tuple[Tensor, NDArray[np.str_]]:
    """Maps (B, M, H, W), zeros where there is none, and their statuses (B, M)."""
    by_method = [reader.take(ids) for reader in readers]
    size = next(map_.shape for held in by_method for map_ in held.values())
    lost = torch.full(size, torch.nan)
    maps = torch.stack([torch.stack([held.get(i, lost) for held in by_method]) for i in ids])
    names = np.array(statuses(maps.flatten(0, 1))).reshape(maps.shape[:2])
    return maps.nan_to_num(0.0), names


def _main_target(root: Path) -> str:
    for target in TARGET_NAMES:
        if layout.mapped(root, target):
            return target
    raise XaibenchError(f"{root} has no maps; run `xaibench explain` for them.")
