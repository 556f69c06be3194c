"""The agreement of methods: means and intervals by hand, and what is written."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from xaibench.analysis.agreement import Agreement, pair_places, summarise
from xaibench.analysis.stats import bootstrap_intervals
from xaibench.report.agreement_files import explain, write

METHODS = ("rise", "gradcam", "opticam", "fakecam")  # not in the paper's order


def agreement(images: int = 12) -> Agreement:
    """Random numbers; RISE's map of the first image is constant, Opti-CAM's all are."""
    rng = np.random.default_rng(0)
    rows, columns = pair_places(len(METHODS))
    shape = (images, len(rows))
    constant = np.zeros(shape, dtype=bool)
    constant[0, (rows == 0) | (columns == 0)] = True
    constant[:, (rows == 2) | (columns == 2)] = True
    rho = np.where(constant, np.nan, rng.uniform(-1, 1, shape))
    share = np.where(constant, np.nan, rng.uniform(0, 1, shape))
    names = [f"{i}.jpg" for i in range(images)]
    return Agreement(METHODS, "predicted", names, rho, share, constant, 0.1, 5018)


def test_means_intervals_and_what_is_left_out() -> None:
    found = agreement()
    pairs = {(p.first, p.second): p for p in summarise(found)}
    assert len(pairs) == 6
    place = next(
        p for p, (i, j) in enumerate(zip(*pair_places(4), strict=True)) if {i, j} == {0, 1}
    )
    pair = pairs["gradcam", "rise"]
    assert (pair.n, pair.n_constant) == (11, 1)
    values = found.correlation[1:, place]
    assert pair.correlation.mean == pytest.approx(values.mean(), abs=1e-12)
    low, high = bootstrap_intervals(values[:, None], np.ones((11, 1)))
    assert (pair.correlation.low, pair.correlation.high) == pytest.approx((low[0], high[0]))
    assert pair.overlap.mean == pytest.approx(found.overlap[1:, place].mean(), abs=1e-12)
    lost = pairs["fakecam", "opticam"]
    assert (lost.n, lost.n_constant) == (0, 12)
    assert np.isnan(lost.correlation.mean)


def test_order_is_highest_first_and_undefined_last() -> None:
    means = [p.correlation.mean for p in summarise(agreement())]
    assert means[:3] == sorted(means[:3], reverse=True)
    assert np.isnan(means[3:]).all()


def test_files_say_the_same(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=80)
    written = write(agreement(), tmp_path, console)
    assert [p.name for p in written] == [f"agreement.{k}" for k in "md csv json png svg".split()]
    content = json.loads((tmp_path / "agreement.json").read_text())
    with (tmp_path / "agreement.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    as_text = [{k: "" if v is None else str(v) for k, v in p.items()} for p in content["pairs"]]
    assert as_text == lines
    said = console.file.getvalue()
    assert max(map(len, said.splitlines())) <= 80
    table = [line for line in (tmp_path / "agreement.md").read_text().splitlines() if "|" in line]
    assert len(table) == 2 + 6
    for record, line in zip(content["pairs"], table[2:], strict=True):
        mean = record["correlation"]
        assert f"| {'-' if mean is None else f'{mean:.2f}'} " in line


def test_what_the_table_says_of_itself() -> None:
    text = " ".join(explain(agreement(), summarise(agreement())))
    assert "top 10% of each (5,018 pixels, ties in row-major order)" in text
    assert "both are undefined" in text
    assert "constant but for one pixel" in text
