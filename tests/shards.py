"""Runs in shards: small blocks, and what two directories hold, to the byte."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from networks import THOUSAND

import xaibench
from xaibench.store import layout, tables

COMMON: dict[str, Any] = {
    "model": THOUSAND,
    "method": "gradient,rise(n_masks=16)",
    "metric": "sparseness,average_drop",
    "workers": 0,
}
"""Of the 20 photographs, which blocks of five make four."""
DRAWN = {
    **COMMON,
    "method": "gradient",
    "metric": "sparseness",
    "transform": "none,mixup",
    "per_class": 1,
}
"""Groups in a drawn order: every shard needs predictions of all others' images."""
ORDERS = tuple(itertools.permutations((1, 2, 3)))


def run(out: Path, shard: str | None = None, **more: Any) -> tuple[xaibench.api.RunResult, str]:
    """What a run did, and all that it said."""
    said: list[str] = []
    found = xaibench.run({**COMMON, **more, "out": out, "shard": shard}, say=said.append)
    return found, "\n".join(said)


def shards(out: Path, order: Sequence[int] = (1, 2, 3), apart: bool = False, **more: Any) -> None:
    """All shards one after the other, into one directory or one each in it."""
    for number in order:
        run(out / f"{number}" if apart else out, f"{number}/{len(order)}", **more)


def contents(out: Path) -> dict[str, bytes]:
    """Every file of results by its place: its bytes, or, with curves, its columns.

    Arrow gives the numbers in a list another name when it has read them from a file.
    """
    found = {}
    for path in layout.stored(out):
        if path.name.startswith(layout.TEMPORARY):  # of a kill
            continue
        curves = path.suffix == layout.TABLE and path.parent.name != "state"
        curves = curves and tables.has_curves(path)
        held = repr(tables.load(path)[0].to_pydict()).encode() if curves else path.read_bytes()
        found[path.relative_to(out).as_posix()] = held
    return found


def same(out: Path, base: Path) -> None:
    """Two directories hold the same files of results, and no others."""
    ours, theirs = contents(out), contents(base)
    assert sorted(ours) == sorted(theirs)
    assert not [name for name in ours if ours[name] != theirs[name]]
    frames = [xaibench.load_scores(one) for one in (out, base)]
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    for key in layout.map_sets(base):
        ids, maps = xaibench.load_maps(out, *key)
        expected, others = xaibench.load_maps(base, *key)
        assert ids == expected
        assert np.array_equal(maps, others)
