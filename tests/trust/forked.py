"""One small run that forked commands make, and what must hold of its copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from networks import THOUSAND

import xaibench

METHODS = ("gradcam", "rise(n_masks=16)")
WORDS = ("--model", THOUSAND, "--workers", 0, "--metric", "sparseness,average_drop")
RUN = ("run", *WORDS, "--method", ",".join(METHODS), "--limit", 3, "--out")
KEYS = ["method", "target", "transform", "variation", "metric", "image"]


def assert_same(out: Path, base: Path, *methods: str) -> None:
    """Every row, map and prediction to the bit."""
    pd.testing.assert_frame_equal(
        xaibench.load_scores(out), xaibench.load_scores(base), check_exact=True
    )
    for method in methods:
        ids, maps = xaibench.load_maps(out, method)
        then, were = xaibench.load_maps(base, method)
        assert ids == then
        assert np.array_equal(maps, were)
    pd.testing.assert_frame_equal(
        xaibench.load_predictions(out), xaibench.load_predictions(base), check_exact=True
    )


def assert_among(out: Path, *runs: Path) -> None:
    """What can be read of an unfinished run are rows of one of the runs, each once."""
    if not [*out.glob("scores/*/*/*/*/*/[!.]*.parquet")]:
        return
    held = xaibench.load_scores(out).set_index(KEYS)
    assert held.index.is_unique
    held = held[held["status"] != "failed"]
    differences = []
    for run in runs:
        frame = xaibench.load_scores(run).set_index(KEYS)
        known = frame.reindex(held.index)
        try:
            pd.testing.assert_frame_equal(held, known, check_exact=True)
        except AssertionError as error:
            differences.append(str(error))
        else:
            return
    raise AssertionError("\n".join(differences))
