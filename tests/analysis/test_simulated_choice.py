"""docs/statistics.md simulated again with fewer runs: how often equals are told apart."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from scipy import stats as scipy_stats

from xaibench.analysis import choose

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "statistics.md").read_text()
CHANCE = 1e-5  # of a test that fails where all is well
RUNS = 40


def _script() -> Any:
    path = ROOT / "scripts" / "simulated_choice.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # its dataclasses look for themselves there
    spec.loader.exec_module(module)
    return module


script = _script()


def row(name: str) -> list[tuple[float, float]]:
    (line,) = [x for x in PAGE.splitlines() if x.startswith(f"| {name} |")]
    cells = [cell.split(" / ") for cell in line.strip("|").split("|")[1:]]
    return [(float(a.strip(" %")) / 100, float(b.strip(" %")) / 100) for a, b in cells]


@pytest.mark.parametrize("name", ["5 equals", "2 equals, 3 far behind"])
def test_equals_are_told_apart_no_more_often_than_by_chance(name: str) -> None:
    found = script.rates(script.NULLS[name], 10, RUNS, seed=1)
    assert max(found) * RUNS <= scipy_stats.binom.isf(CHANCE, RUNS, 0.05)


@pytest.mark.parametrize("name", script.NULLS)
def test_no_rate_on_the_page_is_over_five_percent_but_by_its_noise(name: str) -> None:
    asked = int(PAGE.partition("simulated_choice.py --runs ")[2].partition("`")[0])
    assert max(max(cell) for cell in row(name)) * asked <= scipy_stats.binom.isf(1e-3, asked, 0.05)


def test_the_best_is_found_as_often_as_the_page_says() -> None:
    (name,) = [name for name in script.AHEAD if "0.5" in name]
    asked = int(PAGE.partition("simulated_choice.py --runs ")[2].partition("`")[0])
    said = row(name)[script.IMAGES.index(20)]
    found = script.rates(script.AHEAD[name], 20, RUNS, seed=1)
    for one, other in zip(said, found, strict=True):
        table = [[round(x * m), m - round(x * m)] for x, m in ((one, asked), (other, RUNS))]
        assert scipy_stats.fisher_exact(table).pvalue > CHANCE


def test_without_a_correction_chance_would_be_found_out() -> None:
    kind, runs = script.Kind(10), 15
    with mock.patch.object(choose, "holm", lambda p: np.asarray(p)):
        rng = np.random.default_rng(1)
        worlds = [script.choice(kind, 10, rng) for _ in range(runs)]
    beaten = sum(any(duel.winner for duel in found.duels) for found in worlds)
    assert beaten > scipy_stats.binom.isf(CHANCE, runs, 0.05)
