"""How often intervals hold the mean, and how often claims hold where they should not.

    python scripts/simulate_statistics.py > docs/statistics.md

A number is the same whatever else is simulated with it: each has a generator of its own.

Every number is simulated from seed 0. A claim's null: `noise`, every cell of every image from one
distribution of its metric, images alike among methods (correlation 0.5); `edge`, the data at which
the rule is nearest to holding while the claim is false (its largest errors). Its power: the
paper's printed means with the noise of images around them. The rules of a check are simulated in
`simulated_checks.py`.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable

import numpy as np
import scipy
import simulated_checks
from simulated_choice import section as of_choice
from simulated_worlds import TRUE_ON_NOISE, World, edge, noise, of_printed

from xaibench.analysis.claims.check import CLAIMS
from xaibench.analysis.claims.claim import Part
from xaibench.analysis.claims.finding import FAILS, HOLDS
from xaibench.analysis.stats import bootstrap_intervals, unsure, wilson_intervals

IMAGES = (10, 20, 50, 120)
Floats = np.ndarray
Draw = Callable[[np.random.Generator, int], tuple[Floats, float]]


def _rows(p: float, rows: int, alike: float) -> Draw:
    """Sums of `rows` 0/1 values an image, whose correlation within an image is `alike`."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Floats, float]:
        own, common = rng.random((n, rows)) < p, rng.random((n, 1)) < p
        return np.where(rng.random((n, 1)) < alike, common, own).sum(axis=1).astype(float), p

    return draw


KINDS: dict[str, tuple[int, bool, Draw]] = {  # rows an image, binary, values
    "normal": (1, False, lambda rng, n: (rng.normal(size=n), 0.0)),
    "beta(0.5, 0.5)": (1, False, lambda rng, n: (rng.beta(0.5, 0.5, n), 0.5)),
    "Bernoulli 0.05, bootstrap": (1, False, _rows(0.05, 1, 0)),
    "Bernoulli 0.05": (1, True, _rows(0.05, 1, 0)),
    "Bernoulli 0.5": (1, True, _rows(0.5, 1, 0)),
    "four rows, 0.05, independent": (4, True, _rows(0.05, 4, 0)),
    "four rows, 0.05, half alike": (4, True, _rows(0.05, 4, 0.5)),
    "four rows, 0.05, all alike": (4, True, _rows(0.05, 4, 1)),
    "four rows, 0.3, half alike": (4, True, _rows(0.3, 4, 0.5)),
}


def coverage(kind: str, n: int, runs: int, seed: int = 0) -> tuple[float, float, float]:
    """Shares of intervals that hold the mean, that are marked, and that neither hold nor are."""
    rows, binary, draw = KINDS[kind]
    rng = np.random.default_rng([seed, n])
    counts = np.full((n, 1), float(rows))
    inside, marked = np.zeros(runs, dtype=bool), np.zeros(runs, dtype=bool)
    for run in range(runs):
        sums, truth = draw(rng, n)
        column = sums[:, None]
        low, high = (
            wilson_intervals(column, counts)
            if binary
            else bootstrap_intervals(column, counts, seed=run)
        )[:, 0]
        inside[run] = low - 1e-9 <= truth <= high + 1e-9
        marked[run] = unsure(column, counts, binary)[0]
    return float(inside.mean()), float(marked.mean()), float((~inside & ~marked).mean())


def rates(part: Part, n: int, runs: int, world: Callable[..., World], seed: int = 0) -> Floats:
    """Shares of `runs` simulated worlds in which the part holds and in which it fails: (2,)."""
    rng = np.random.default_rng([seed, n])
    found = [part.check(world(part.key, rng, n).evidence()).verdict for _ in range(runs)]
    return np.array([found.count(HOLDS), found.count(FAILS)]) / runs


def page(runs: int, coverage_runs: int, check_runs: int, choice_runs: int) -> str:
    """The tables as a Markdown page."""
    heads = " | ".join(f"n = {n}" for n in IMAGES)
    lines = [
        PROSE.format(
            python=platform.python_version(),
            numpy=np.__version__,
            scipy=scipy.__version__,
            runs=runs,
            coverage_runs=coverage_runs,
            check_runs=check_runs,
            choice_runs=choice_runs,
        ),
        "## Coverage of the 95% intervals\n",
        f"| values | {heads} |\n|---|{'---:|' * len(IMAGES)}",
    ]
    for kind in KINDS:
        cells = []
        for n in IMAGES:
            held, marked, missed = coverage(kind, n, coverage_runs)
            mark = f" ({marked:.1%} marked; {missed:.1%} neither)" if marked else ""
            cells.append(f"{held:.1%}{mark}")
        lines.append(f"| {kind} | {' | '.join(cells)} |")
        _said(kind)
    lines += [
        "\n## False positives of the claims' rules\n",
        f"| claim | null | {heads} |\n|---|---|{'---:|' * len(IMAGES)}",
    ]
    parts = [part for claim in CLAIMS for part in claim.parts]
    for part in parts:
        for name, world in (("noise", noise), ("edge", edge)):
            if name == "noise" and part.key in (*TRUE_ON_NOISE, "completeness_unmet"):
                continue
            found = [rates(part, n, runs, world)[0] for n in IMAGES]
            lines.append(f"| {part.key} | {name} | {' | '.join(f'{x:.1%}' for x in found)} |")
        _said(part.key)
    lines += [
        "\n## Power: the verdict on the paper's printed means\n",
        f"Each cell: holds / fails.\n\n| claim | {heads} | n = 1,000 |\n"
        f"|---|{'---:|' * (len(IMAGES) + 1)}",
    ]
    for part in parts:
        if part.key == "completeness_unmet":
            continue
        many = [rates(part, n, max(20, runs // 20), of_printed) for n in (*IMAGES, 1000)]
        lines.append(f"| {part.key} | {' | '.join(f'{a:.0%} / {b:.0%}' for a, b in many)} |")
        _said(part.key)
    lines += ["", *simulated_checks.section(check_runs, coverage_runs)]
    return "\n".join(lines) + "\n\n" + of_choice(choice_runs)


def _said(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


PROSE = """# What the statistics of the report can and cannot do

Made by `python scripts/simulate_statistics.py --runs {runs} --coverage-runs {coverage_runs}
--check-runs {check_runs} --choice-runs {choice_runs} > docs/statistics.md` (seed 0; runs of a rate
of claims, a coverage, a check and a choice; Python {python}, NumPy {numpy}, SciPy {scipy}). Do not
edit.

Everything is over images. An interval is 95%, two-sided. Metrics that can only be 0 or 1 take
Wilson's, the others a bootstrap whose percentiles are widened as Student's t is wider than the
normal. An interval is marked where it stands on fewer than 10 images, or is a bootstrap of values
of which fewer than 5 differ from the commonest: rare values may be missing from the sample, and a
bootstrap only knows the sample. The four rows of an image (Table 4) are not independent: Wilson's
n is then the number of independent rows that would give the variance seen between images, and at
least the number of images.

A claim's verdict takes a one-sided p of at most 2.5% for it, or for its contrary. The p-values
are those of paired t-tests over images, joined by the rule: all of several, the largest; at least
k of m, Bonferroni over the m - k + 1 largest. Claims that nothing differs must hold within a
margin. A t-test of few, skewed values is approximate: the rates below say by how much.

Of the nulls, `noise` draws every cell from one distribution of its metric (AI 0 or 1, the others
normal; correlation 0.5 within an image), and `edge` is the worst case: the claim is false, but
as much as can be is in its favour, and the rest lies at the rule's threshold. No rate may be over
5%. Claims that most metrics do not tell methods apart are true on noise, so they only have an
edge.
"""


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--coverage-runs", type=int, default=4000)
    parser.add_argument("--check-runs", type=int, default=200)
    parser.add_argument("--choice-runs", type=int, default=300)
    parser.add_argument("--checks", action="store_true", help="the last section alone")
    given = parser.parse_args()
    if given.checks:
        lines = simulated_checks.section(given.check_runs, given.coverage_runs)
        sys.stdout.write("\n".join(lines) + "\n")
    else:
        sys.stdout.write(page(given.runs, given.coverage_runs, given.check_runs, given.choice_runs))


if __name__ == "__main__":
    main()
