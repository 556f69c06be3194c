"""False positives of a check's rules: what docs/statistics.md says, and simulated again."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats

from xaibench.analysis.check.beside import p_values, verdict
from xaibench.analysis.check.evidence import FAILED, PASSED, UNDECIDED
from xaibench.analysis.check.sanity import decide

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import simulated_checks as script  # noqa: E402

PAGE = (ROOT / "docs" / "statistics.md").read_text()
SECTION = PAGE.partition("## False positives of the rules of a check")[2].partition("\n## ")[0]
RUNS, IMAGES = 20, 20
CHANCE = 1e-5  # of a test that fails where all is well


def rates(*heads: str) -> list[float]:
    (line,) = [x for x in SECTION.splitlines() if x.startswith(f"| {' | '.join(heads)} |")]
    cells = line.strip("|").split("|")[len(heads) :]
    assert len(cells) == len(script.IMAGES)
    return [float(cell.strip().rstrip("%")) for cell in cells]


@pytest.mark.parametrize("null", list(script.NULLS))
def test_no_rate_of_a_verdict_on_the_page_is_over_five_percent(null: str) -> None:
    assert max(rates("any better or worse", null)) <= 5


def test_no_rate_of_a_flip_or_a_sanity_test_on_the_page_is_over_five_percent() -> None:
    assert max(rates("any flip", "noise")) <= 5
    passed, failed = (
        rates(f"sanity {verdict}", "half of all images") for verdict in (PASSED, FAILED)
    )
    assert max(a + b for a, b in zip(passed, failed, strict=True)) <= 5


def test_the_level_is_as_low_as_it_is_for_a_reason() -> None:
    assert max(rates(f"the same with p below {script.USUAL:g}", "edge")) > 5


@pytest.mark.parametrize("null", list(script.NULLS))
def test_nothing_is_decided_where_there_is_nothing(null: str) -> None:
    (found,) = script.wrong_verdict(null, IMAGES, RUNS, seed=1)
    assert round(found * RUNS) <= scipy_stats.binom.isf(CHANCE, RUNS, 0.05)


def test_verdicts_that_are_not_corrected_are_found_out() -> None:
    rng, found = np.random.default_rng(1), 0
    for run in range(RUNS):
        pairs = script.pairs_in(script.NULLS["noise"](rng, IMAGES))
        p = p_values(pairs, run)
        found += any(verdict(pairs[k], script.COLUMNS[k[0]], p[k]) != UNDECIDED for k in pairs)
    assert found > scipy_stats.binom.isf(CHANCE, RUNS, 0.05)


@pytest.mark.parametrize("n", [*script.IMAGES, 33, 100])
def test_sanity_is_wrong_in_at_most_a_fortieth_each_way(n: int) -> None:
    """Exactly, from the binomial distribution; the page's rates are of the same rule."""
    chance = scipy_stats.binom.pmf(np.arange(n + 1), n, 0.5)
    found = [decide(k, n) for k in range(n + 1)]
    for which in (PASSED, FAILED):
        exact = sum(p for p, one in zip(chance, found, strict=True) if one == which)
        assert exact <= 0.025
        if n in script.IMAGES:
            said = rates(f"sanity {which}", "half of all images")[script.IMAGES.index(n)]
            assert said == pytest.approx(100 * exact, abs=1.0)
