"""How often the rules of a check decide something where there is nothing to be found.

`simulate_statistics.py` sets what is simulated here as a section of its page. A wrong verdict is
any one among all comparisons of a check: one method beside six others by eleven metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from simulated_worlds import LIKE, SHARED

from xaibench.analysis.check.beside import ALPHA, Pair, Place, corrected, p_values, verdict
from xaibench.analysis.check.evidence import FAILED, PASSED, UNDECIDED, Evidence
from xaibench.analysis.check.robust import turned
from xaibench.analysis.check.sanity import CHANGED, OTHER_CLASS, decide
from xaibench.analysis.columns import Column
from xaibench.analysis.stats import MIN_IMAGES
from xaibench.config.catalog import Catalog

IMAGES = (5, 10, 20, 50, 120)
METRICS = ("average_increase", *(metric for metric in LIKE if metric != "completeness"))
OTHERS = ("fakecam", "random", "center", "edges", "gradcam", "gradient")
MINE = "mine"
COLUMNS = {metric: Column(metric, metric, metric, metric) for metric in METRICS}
SWITCHES, MOVED = 5, METRICS[:4]
KEPT = 0.8
"""Correlation of a value before and after a switch that moves nothing."""
USUAL = 0.05
SURE = 4.5
"""Standard errors at which about half of 66 comparisons are sure."""
NOTHING = pd.DataFrame()
FEWER = 10
"""A flip takes so many times as long to simulate."""
Floats = np.ndarray
Cells = dict[tuple[str, str], Floats]
Draw = Callable[[np.random.Generator, int], Cells]


def _drawn(rng: np.random.Generator, n: int, make: Callable[[Floats, str], Floats]) -> Cells:
    """Values (n,) of every method and metric, correlated over methods within an image."""
    cells = {}
    for metric in METRICS:
        shared = rng.normal(size=n)
        for method in (MINE, *OTHERS):
            z = np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * rng.normal(size=n)
            binary = metric == "average_increase"
            cells[method, metric] = (z > 0).astype(float) if binary else make(z, method)
    return cells


def _skewed(z: Floats, _method: str = "") -> Floats:
    """Exponential values of mean 0 from normal ones."""
    from scipy.special import log_ndtr

    return -log_ndtr(-z) - 1.0


NULLS: Mapping[str, Draw] = {
    "noise": lambda rng, n: _drawn(rng, n, lambda z, _method: z),
    "skewed": lambda rng, n: _drawn(rng, n, _skewed),
    "edge": lambda rng, n: _drawn(rng, n, lambda z, who: _skewed(z) if who == MINE else 0 * z),
}


def pairs_in(cells: Mapping[tuple[str, str], Floats]) -> dict[Place, Pair]:
    """The judged method beside every other."""
    images = tuple(map(str, range(len(cells[MINE, METRICS[0]]))))
    return {
        (metric, other): Pair(images, cells[MINE, metric], cells[other, metric])
        for metric in METRICS
        for other in OTHERS
    }


def wrong_verdict(
    null: str, n: int, runs: int, seed: int = 0, alphas: tuple[float, ...] = (ALPHA,)
) -> list[float]:
    """Shares of checks with any verdict at each level, where all means are the same."""
    rng = np.random.default_rng([seed, n])
    found = [0] * len(alphas)
    for run in range(runs):
        pairs = pairs_in(NULLS[null](rng, n))
        adjusted = corrected(p_values(pairs, run), pairs)
        for i, alpha in enumerate(alphas):
            verdicts = {verdict(pairs[k], COLUMNS[k[0]], q, alpha) for k, q in adjusted.items()}
            found[i] += verdicts != {UNDECIDED}
    return [count / runs for count in found]


def flips(n: int, runs: int, seed: int = 0, z: float = 0.0) -> float:
    """Share of checks in which a switch that moves no mean flips a verdict.

    z: how many standard errors the judged method is better than all others.
    """
    rng = np.random.default_rng([seed, n])
    found, lead = 0, z * np.sqrt(2 * (1 - SHARED) / n)
    for run in range(runs):
        cells = _drawn(rng, n, lambda values, who: values + lead * (who == MINE))
        frames = [_switched(f"switch {i}", cells, rng) for i in range(SWITCHES)]
        pairs = pairs_in(cells)
        names = next(iter(pairs.values())).images
        held = {key: pd.Series(values, index=list(names)) for key, values in cells.items()}
        evidence = Evidence(
            MINE, NOTHING, Catalog({}, {}), NOTHING, pd.concat(frames), controls=OTHERS[:4]
        )
        lines = turned(evidence, held, pairs, p_values(pairs, run), COLUMNS, run)
        found += any(line.flips for line in lines)
    return found / runs


def _switched(name: str, cells: Cells, rng: np.random.Generator) -> pd.DataFrame:
    parts = []
    for metric in MOVED:
        values = cells[MINE, metric]
        fresh = rng.normal(size=len(values))
        moved = values.mean() + KEPT * (values - values.mean()) + np.sqrt(1 - KEPT**2) * fresh
        if metric == "average_increase":
            moved = np.where(rng.random(len(values)) < KEPT, values, (fresh > 0).astype(float))
        place = [str(i) for i in range(len(values))]
        told = {"switch": name, "method": MINE, "metric": metric}
        parts.append(pd.DataFrame({**told, "image": place, "value": moved}))
    return pd.concat(parts)


def wrong_sanity(n: int, runs: int, seed: int = 0) -> tuple[float, float]:
    """Shares of tests passed and failed where the map does what is asked on half of all images."""
    rng = np.random.default_rng([seed, n])
    found = [decide(int(k), n) for k in rng.binomial(n, 0.5, runs)]
    return found.count(PASSED) / runs, found.count(FAILED) / runs


def section(runs: int, coverage_runs: int) -> list[str]:
    """The section of the page: the rules, then their rates."""
    heads = " | ".join(f"n = {n}" for n in IMAGES)
    rules = {
        "fewer": runs // FEWER,
        "switches": SWITCHES,
        "alpha": ALPHA,
        "least": MIN_IMAGES,
        "changed": CHANGED,
        "other": OTHER_CLASS,
        "sure": SURE,
    }
    comparisons = len(METRICS) * len(OTHERS)
    lines = [PROSE.format(runs=runs, comparisons=comparisons, **rules)]
    lines.append(f"| decided | null | {heads} |\n|---|---|{'---:|' * len(IMAGES)}")
    for null in NULLS:
        rates = [wrong_verdict(null, n, runs, alphas=(ALPHA, USUAL)) for n in IMAGES]
        lines.append(f"| any better or worse | {null} | {_cells([own for own, _ in rates])} |")
        usual = _cells([usual for _, usual in rates])
        lines.append(f"| the same with p below {USUAL:g} | {null} | {usual} |")
    for world, z in (("noise", 0.0), (f"all better by {SURE:g} standard errors", SURE)):
        rates_of_flips = [flips(n, runs // FEWER, z=z) for n in IMAGES]
        lines.append(f"| any flip | {world} | {_cells(rates_of_flips)} |")
    both = [wrong_sanity(n, coverage_runs) for n in IMAGES]
    lines.append(f"| sanity passed | half of all images | {_cells([x for x, _ in both])} |")
    lines.append(f"| sanity failed | half of all images | {_cells([x for _, x in both])} |")
    return lines


def _cells(rates: list[float]) -> str:
    return " | ".join(f"{rate:.1%}" for rate in rates)


PROSE = """## False positives of the rules of a check

`xaibench check` sets one method beside others, paired over images. By a metric it is better (or
worse) than another where the two-sided sign-flip p of the mean difference, corrected by Holm for
all comparisons of the check in which an image differs, is below {alpha} on at least {least}
images. A metric by which it is not better than noise (`random`) is of no use for it; nothing is
said of any by which so few images differ that none could decide. A sanity test is passed on an
image where the map under weights drawn anew is less than {changed} alike (1: the same map), the
map of another class less than {other}, and the map of the image with small noise more alike than
the one under weights drawn anew; it is passed, or failed, where the exact 95% interval of the
share of such images lies above, or below, a half, on at least {least}. A switch of the protocol
or an order of ties flips a verdict against a control where the verdict is lost, or where an
undecided one becomes a verdict with p corrected for the number of switches too.

A rate is the share of checks ({runs} each) with any such verdict among {comparisons} comparisons
where no mean differs: `noise`, all methods are alike, AI 0 or 1, the others normal; `skewed`, the
others exponential; `edge`, the judged method exponential and all others constant at its mean, so
that the methods are not exchangeable, which the test supposes; for it {alpha} is not 0.05. Of
flips ({fewer} checks): {switches} switches redraw a part of four metrics and move no mean. Where
verdicts stand at their threshold such switches flip many (the line of {sure:g} standard errors,
which is no null): a flip says that the threshold is crossed, not that the switch itself changes
anything.
"""
