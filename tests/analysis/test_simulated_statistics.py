"""docs/statistics.md simulated again with fewer runs: coverage, and false positives of claims."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

from xaibench.analysis.claims.check import CLAIMS
from xaibench.analysis.claims.claim import Part
from xaibench.analysis.claims.evidence import Evidence
from xaibench.analysis.claims.finding import Finding, decide
from xaibench.analysis.claims.shifts import MOVED, shifts
from xaibench.analysis.claims.significance import all_of

ROOT = Path(__file__).parents[2]
PARTS = [part for claim in CLAIMS for part in claim.parts]
RUNS, IMAGES = 40, 20
CHANCE = 1e-5  # of a test that fails where all is well; there are about fifty


def _script() -> Any:
    path = ROOT / "scripts" / "simulate_statistics.py"
    spec = importlib.util.spec_from_file_location("simulate_statistics", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))  # as when it is run
    spec.loader.exec_module(module)
    return module


script = _script()
PAGE = (ROOT / "docs" / "statistics.md").read_text()


def row(*heads: str) -> list[str]:
    (line,) = [x for x in PAGE.splitlines() if x.startswith(f"| {' | '.join(heads)} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][len(heads) :]


@pytest.mark.parametrize(
    ("kind", "n"),
    [
        ("normal", 10),
        ("beta(0.5, 0.5)", 10),
        ("Bernoulli 0.05, bootstrap", 20),
        ("Bernoulli 0.05", 10),
        ("four rows, 0.05, half alike", 20),
    ],
)
def test_coverage_is_what_the_page_says(kind: str, n: int) -> None:
    runs = 300
    asked = int(re.search(r"--coverage-runs (\d+)", PAGE)[1])
    said = float(row(kind)[script.IMAGES.index(n)].partition("%")[0]) / 100
    held, marked, neither = script.coverage(kind, n, runs, seed=1)
    table = [[round(x * m), m - round(x * m)] for x, m in ((said, asked), (held, runs))]
    assert scipy_stats.fisher_exact(table).pvalue > CHANCE
    # Under 90% an interval is marked: the rest misses in no more than that.
    assert round(neither * runs) <= scipy_stats.binom.isf(CHANCE, runs, 0.1)
    assert said >= 0.9 or marked > 0.9


def test_no_rate_on_the_page_is_over_five_percent() -> None:
    for part in PARTS:
        rates = [float(cell.rstrip("%")) for cell in row(part.key, "edge")]
        assert max(rates) <= 5


@pytest.mark.parametrize("null", ["noise", "edge"])
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.key)
def test_a_claim_does_not_hold_where_it_is_false(part: Part, null: str) -> None:
    if null == "noise" and part.key in (*script.TRUE_ON_NOISE, "completeness_unmet"):
        pytest.skip("true on noise, or about residuals alone")
    held, _ = script.rates(part, IMAGES, RUNS, getattr(script, null), seed=1)
    assert round(held * RUNS) <= scipy_stats.binom.isf(CHANCE, RUNS, 0.05)


def test_a_rule_that_noise_passes_is_found_out() -> None:
    """The mean of absolute changes grows with noise: all methods "sensitive" to nothing."""

    def naive(evidence: Evidence) -> Finding:
        found = shifts(evidence)
        assert not isinstance(found, Finding)
        change = np.abs(found.change.mean(axis=0))
        methods = {key.method for key in found.keys}
        moved = [change[found.where(method=m)].mean() >= MOVED for m in methods]
        return decide(float(all_of(~np.array(moved))), 1.0, found.n, "")

    part = Part("all_sensitive", "", "", naive)
    held, _ = script.rates(part, 10, RUNS, script.noise, seed=1)
    assert round(held * RUNS) > scipy_stats.binom.isf(CHANCE, RUNS, 0.05)
