"""Committed scores lie in the ranges that their metrics declare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xaibench.store.catalog import catalog_in

RESULTS = Path(__file__).parents[2] / "results"


@pytest.mark.parametrize("folder", sorted(path.parent for path in RESULTS.glob("*/scores.parquet")))
def test_values_are_in_range_and_verdicts_are_0_or_1(folder: Path) -> None:
    scores, known = pd.read_parquet(folder / "scores.parquet"), catalog_in(folder)
    assert known is not None
    used = scores[scores["status"].isin(("ok", "constant_map"))]
    found = {str(metric): rows["value"].to_numpy() for metric, rows in used.groupby("metric")}
    assert len(found) >= (5 if folder.name == "until" else 12)
    for metric, values in found.items():
        declared = known.metric(metric)
        low, high = (np.nan if end is None else end for end in declared.range)
        assert not (values < low - 1e-9).any(), metric
        assert not (values > high + 1e-9).any(), metric
        assert np.isin(values, (0.0, 1.0)).all() or not declared.binary, metric
