"""How often `report --choose` names a winner among equals, and finds the better one.

    python scripts/simulated_choice.py

Prints the section of docs/statistics.md, of which `simulate_statistics.py` makes the rest. Every
number is simulated from seed 0 with the code of the report: methods in three groups of metrics,
values of an image alike among methods (correlation 0.5).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xaibench.analysis.choice import Choice
from xaibench.analysis.choose import choose
from xaibench.analysis.compare import Source
from xaibench.config.catalog import Catalog, MethodDeclaration, MetricDeclaration

IMAGES = (10, 20, 50, 120)
GROUPS = {"first": 5, "second": 2, "third": 2}
SHARED = 0.5
Floats = np.ndarray


@dataclass(frozen=True)
class Kind:
    """A world: how many methods, how far each but the two best lies behind the one before it.

    In deviations of a method's values over images.

    binary: whether values are 0 or 1 (a fifth of them 1); ahead: how far the first is ahead of the
    second; spread: how much wider the first's values scatter.
    """

    methods: int
    behind: float = 0.0
    binary: bool = False
    ahead: float = 0.0
    spread: float = 1.0


NULLS = {
    "2 equals": Kind(2),
    "5 equals": Kind(5),
    "10 equals": Kind(10),
    "5 equals, values 0 or 1": Kind(5, binary=True),
    "2 equals, 3 far behind": Kind(5, behind=9.0),
    "2 equals, one scattered twice as much, 3 far behind": Kind(5, behind=9.0, spread=2.0),
}
AHEAD = {f"the best is {gap:g} deviations ahead of 4": Kind(5, ahead=gap) for gap in (0.25, 0.5, 1)}


def choice(kind: Kind, n: int, rng: np.random.Generator) -> Choice:
    """What is chosen in one world of a kind."""
    methods = [f"m{i}" for i in range(kind.methods)]
    metrics = {f"{group}{i}": group for group, count in GROUPS.items() for i in range(count)}
    offsets = -kind.behind * np.maximum(np.arange(kind.methods) - 1.0, 0.0)
    offsets[0] += kind.ahead
    scale = np.where(np.arange(kind.methods) == 0, kind.spread, 1.0)
    common = rng.normal(size=(n, 1, len(metrics))) * np.sqrt(SHARED)
    own = rng.normal(size=(n, kind.methods, len(metrics))) * np.sqrt(1 - SHARED)
    values = common + own * scale[:, None] + offsets[:, None]
    values = (values > 0.8416).astype(float) if kind.binary else values
    index = pd.MultiIndex.from_product([range(n), methods, metrics])
    scores = pd.DataFrame({"value": values.ravel()}, index=index).reset_index()
    scores.columns = ["image", "method", "metric", "value"]
    scores = scores.assign(target="ground_truth", transform="none", variation="none", status="ok")
    catalog = Catalog(
        {m: MethodDeclaration(m, m) for m in methods},
        {k: MetricDeclaration(k, k, k, "higher", group=g) for k, g in metrics.items()},
    )
    return choose(Source("simulated", scores, catalog=catalog), resamples=2)


def rates(kind: Kind, n: int, runs: int, seed: int = 0) -> tuple[float, float]:
    """Shares of worlds in which a method of a group, and one method of all, is named.

    A group's: that beats every other, or of two equals the other. One of all: the page says
    "Choose ...".
    """
    rng = np.random.default_rng([seed, n])
    beats = chosen = 0
    for _ in range(runs):
        found = choice(kind, n, rng)
        beats += any(found.first(standing) for standing in found.judged)
        chosen += len(found.everywhere) == 1
    return beats / runs, chosen / runs


def section(runs: int) -> str:
    """The section as Markdown."""
    heads = " | ".join(f"n = {n}" for n in IMAGES)
    lines = [PROSE.format(runs=runs), f"| methods | {heads} |\n|---|{'---:|' * len(IMAGES)}"]
    for name, kind in {**NULLS, **AHEAD}.items():
        found = [rates(kind, n, runs) for n in IMAGES]
        lines.append(f"| {name} | {' | '.join(f'{a:.1%} / {b:.1%}' for a, b in found)} |")
        print(name, file=sys.stderr, flush=True)
    return "\n".join(lines) + "\n"


PROSE = """## Which method to choose: winners among equals

Simulated by `python scripts/simulated_choice.py --runs {runs}` (seed 0), with three groups of 5, 2
and 2 metrics. Two methods meet on every image by every metric of a group: the better value wins,
equal ones (within 1e-5) share. Whether a method beats another is a two-sided sign-flip permutation
test over images of what it wins more than it loses, with p below 5% after Holm's correction for
all pairs of methods and all groups of the page, on at least 10 images. So over the whole page the
chance that any of two equal methods beats the other is at most 5%, however many there are, where
"equal" means that the two could be exchanged on any image. Ranks are means of the same wins and
losses. A method is named as

- first of a group where it beats every other method that can be chosen;
- the one to choose where no other beats it in any group, and that is true of it alone.

Controls take part in ranks and tests, and are never named; what two methods win against each
other does not depend on who else takes part. The test asks who wins more often, not whose mean is
higher.

Each cell: a first is named in a group / one method is named to be chosen. The first lines are of
equals, where either is an error; where each of the others lies far behind the one before, the two
best are equals, and nothing but their own tests is left for Holm's correction (the worst case). The
last lines are of a best method, where it is power; a deviation is that of a method's values over
images. Ten images are too few for five methods in three groups: no p can be small enough.
"""


def main() -> None:
    """Print the section."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1000)
    sys.stdout.write(section(parser.parse_args().runs))


if __name__ == "__main__":
    main()
