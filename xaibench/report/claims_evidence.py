"""What a claim is checked on: a run's scores image by image, or the paper's printed means.

Both answer the same questions, so that one rule serves both. A run's means come with the means of
bootstrap resamples of its images, and a rule is asked of each: a verdict that many resamples would
turn round is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from xaibench.report.columns import COLUMNS, FAMILIES, METHOD_NAMES
from xaibench.report.footnotes import SWAPPED
from xaibench.report.header import PAPER_IMAGES, build_header
from xaibench.report.measure import Group, Key, groups
from xaibench.report.paired import MIN_IMAGES
from xaibench.report.stats import RESAMPLES, SEED, draws

if TYPE_CHECKING:
    import pandas as pd

    from xaibench.report.compare import Source

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Verdict = Literal["holds", "fails", "not measurable here"]

HOLDS: Verdict = "holds"
FAILS: Verdict = "fails"
UNMEASURED: Verdict = "not measurable here"

SUPPORT = 0.95
"""Share of bootstrap resamples that must agree with a verdict, as a 95% interval would ask."""

CONTROL = "fakecam"
FEWEST_METHODS = 5
"""Half of the paper's ten: with fewer, a sentence about "the methods" is about something else."""

_BLOCK = 100  # resamples as floats at a time: 40 MB

GRADIENT, CAM, PERTURBATION = (family.methods for family in FAMILIES[1:])
METHODS = tuple(METHOD_NAMES)


@dataclass(frozen=True)
class Finding:
    """What a claim came to on one piece of evidence.

    Attributes:
        verdict: holds, fails, or not measurable here (nothing scored, too few images, undecided).
        numbers: the numbers behind it, in one line.
        n: images behind it; None where there are none.
        support: share of bootstrap resamples in which the verdict is the same; None without.
    """

    verdict: Verdict
    numbers: str
    n: int | None = None
    support: float | None = None


@dataclass(frozen=True)
class Sample:
    """Means in the paper's units: `means` (1 + R, C), first as measured, then R resamples.

    `n` is the number of images, the same for all; None for the paper's printed means, which have
    no resamples (R = 0).
    """

    means: Floats
    n: int | None


@dataclass(frozen=True)
class Evidence:
    """Means of cells in the paper's units, and what is behind them.

    Attributes:
        name: what the reader calls it, such as a run's directory.
        protocol: of the run; "printed" for the paper.
        target: the class that claims without one are checked on.
        printed: the mean of every cell.
        cells: rows summed by image, in natural units; None for the paper.
        probability: (images,) of `target`'s class on the untouched images, NaN where unknown, by
            the positions that `Group.images` holds; None where nobody stored it.
        images: images with any score.
    """

    name: str
    protocol: str
    target: str
    printed: Mapping[Key, float]
    cells: Mapping[Key, Group] | None = None
    probability: Floats | None = None
    images: int = PAPER_IMAGES
    resamples: int = RESAMPLES
    _means: dict[bytes, dict[Key, Floats]] = field(default_factory=dict, repr=False)

    def key(self, method: str, metric: str, transform: str = "none", target: str = "") -> Key:
        """The cell of a method and metric, of this evidence's target unless another is named."""
        return Key(method, target or self.target, transform, metric)

    def has(self, *keys: Key) -> bool:
        """Whether all of these cells hold a mean."""
        return all(key in self.printed for key in keys)

    def methods(self, metrics: Sequence[str], transforms: Sequence[str] = ("none",)) -> list[str]:
        """The paper's methods, in its order, that have every one of these cells."""
        return [
            method
            for method in METHODS
            if self.has(*(self.key(method, m, t) for m in metrics for t in transforms))
        ]

    def common(self, keys: Sequence[Key]) -> NDArray[np.int64]:
        """The images that all of these cells have a usable score for."""
        assert self.cells is not None
        times = np.zeros(self.images, dtype=np.int64)
        for key in keys:
            times[self.cells[key].images] += 1
        return np.flatnonzero(times == len(keys)).astype(np.int64)

    def values(self, keys: Sequence[Key], images: NDArray[np.int64] | None = None) -> Floats:
        """Natural values (N, C) of cells on the images they share (or on some of these)."""
        assert self.cells is not None
        shared = self.common(keys) if images is None else images
        columns = []
        for key in keys:
            cell = self.cells[key]
            kept = np.searchsorted(cell.images, shared)
            columns.append(cell.sums[kept] / cell.counts[kept])
        return np.stack(columns, axis=1)

    def sample(self, keys: Sequence[Key]) -> Sample:
        """Means of cells over the images they share, and the same of every bootstrap resample."""
        if self.cells is None:
            return Sample(np.array([[self.printed[key] for key in keys]]), None)
        images = self.common(keys)
        if not len(images):
            return Sample(np.full((1, len(keys)), np.nan), 0)
        held = self._means.setdefault(images.tobytes(), {})
        if not set(keys) <= held.keys():
            # Cells of the same images share their resamples, so they are drawn once for all.
            alike = [k for k, cell in self.cells.items() if np.array_equal(cell.images, images)]
            wanted = list(dict.fromkeys([*keys, *alike]))
            means = with_resamples(self.values(wanted, images), self.resamples)
            held.update({k: print_means(k, m) for k, m in zip(wanted, means.T, strict=True)})
        return Sample(np.stack([held[key] for key in keys], axis=1), len(images))


def with_resamples(values: Floats, resamples: int) -> Floats:
    """Means over rows of (N, C): as they are, then of bootstrap resamples, (1 + R, C).

    The resamples are those of `stats.resampled_means`, kept because many rules ask for them.
    """
    weights = _weights(len(values), resamples)
    means = [values.mean(axis=0, keepdims=True)]
    for start in range(0, resamples, _BLOCK):
        block = weights[start : start + _BLOCK].astype(np.float64)
        means.append(block @ values / len(values))
    return np.concatenate(means)


@lru_cache(maxsize=1)
def _weights(images: int, resamples: int) -> NDArray[np.uint8]:
    """How often each image is in each resample (R, images): 100 MB for the paper's 50,000."""
    return np.concatenate([block.astype(np.uint8) for block in draws(images, resamples, SEED)])


def print_means(key: Key, means: Floats) -> Floats:
    """Natural means in the paper's units; metrics that it has no column for stay as they are."""
    column = COLUMNS.get(key.metric)
    if column is None or key.metric == "completeness":
        return means
    return column.offset + column.scale * means


def decide(yes: Bools, n: int | None, numbers: str, no: Bools | None = None) -> Finding:
    """Turn a rule's answers (1 + R,), as measured and in each resample, into a finding.

    Args:
        yes: where the claim holds.
        n: images behind the answers; None for printed means, which are taken as they stand.
        numbers: what decided, in one line.
        no: where it fails; by default wherever it does not hold.
    """
    answers = {HOLDS: yes, FAILS: ~yes if no is None else no}
    verdict = next((name for name, where in answers.items() if where[0]), UNMEASURED)
    if n is not None and n < MIN_IMAGES:
        few = f"{n} image{'s' * (n != 1)}, fewer than {MIN_IMAGES}"
        return Finding(UNMEASURED, f"{few}; so far: {numbers}", n)
    if verdict == UNMEASURED:
        return Finding(verdict, f"undecided: {numbers}", n)
    if n is None:
        return Finding(verdict, numbers)
    support = float(answers[verdict][1:].mean())
    if support < SUPPORT:
        said = f"undecided, {verdict} in only {support:.0%} of the resamples: {numbers}"
        return Finding(UNMEASURED, said, n, support)
    return Finding(verdict, numbers, n, support)


def every(where: Bools) -> Bools:
    """Whether all of the last axis answer yes."""
    return np.asarray(where.all(axis=-1))


def from_paper() -> Evidence:
    """The paper's printed tables (each cell once, those whose print is in doubt left out)."""
    from xaibench.published import paper_tables

    names = {column.paper: column.metric for column in COLUMNS.values()}
    # Tables 1 and 2 print the same cells; the first one's stand.
    tables = paper_tables().sort_values("table", ascending=False)
    printed = {
        Key(method, target, transform, names[metric]): float(value)
        for _, method, target, transform, metric, value, note in tables.itertuples(
            index=False, name=None
        )
        if note != SWAPPED
    }
    return Evidence("the paper's printed tables", "printed", "ground_truth", printed)


def from_run(source: Source, resamples: int = RESAMPLES) -> Evidence:
    """A run's scores; claims are about the ground-truth class where the run has it."""
    header = build_header(source.scores)
    cells = {key: group for key, group in groups(source.scores) if len(group.images)}
    targets = {key.target for key in cells}
    target = "ground_truth" if "ground_truth" in targets or not targets else min(targets)
    printed = {
        key: float(print_means(key, np.array([cell.sums.sum() / cell.counts.sum()]))[0])
        for key, cell in cells.items()
    }
    return Evidence(
        name=source.name,
        protocol=header.protocol,
        target=target,
        printed=printed,
        cells=cells,
        probability=_probability(source, target),
        images=header.images,
        resamples=resamples,
    )


def _probability(source: Source, target: str) -> Floats | None:
    """The target class's probability on every scored image, in the order of sorted names."""
    if source.predictions is None:
        return None
    held = _untouched(source.predictions).set_index("image")[f"probability_{target}"]
    names = sorted(source.scores["image"].astype(str).unique())
    return held.reindex(names).to_numpy(dtype=np.float64)


def _untouched(predictions: pd.DataFrame) -> pd.DataFrame:
    plain = predictions[predictions["transform"].astype(str) == "none"]
    return plain.drop_duplicates("image")
