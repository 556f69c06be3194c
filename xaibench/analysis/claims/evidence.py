"""What a claim is checked on: a run's scores image by image, or the paper's printed means.

Both answer the same questions, so that one rule serves both; a verdict on a run is a test at 2.5%
on either side, on printed means the comparison as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xaibench.analysis.claims.finding import UNMEASURED, Finding, nothing_shared
from xaibench.analysis.footnotes import SWAPPED
from xaibench.analysis.header import PAPER_IMAGES, build_header
from xaibench.analysis.measure import Group, Key, groups
from xaibench.analysis.stats import Bools, Floats
from xaibench.config.catalog import Catalog
from xaibench.config.declared import of_protocol, shipped
from xaibench.published.tables import FORMS

if TYPE_CHECKING:
    from xaibench.analysis.compare import Source

CONTROL = "fakecam"
FEWEST_METHODS = 5
"""Half of the paper's ten: with fewer, a sentence about "the methods" is about something else."""

GRADIENT = ("gradient", "ig", "guidedbp")
CAM = ("gradcam", "gradcampp", "scorecam")
OCCLUSION = ("rise", "lime")
LEARNING = ("iba",)
"""The families are those of the paper's Table 1."""
SHORTS = {metric: shipped().metric(metric).short for metric in FORMS}
"""The abbreviations of the metrics that the paper prints."""


def printed_catalog() -> Catalog:
    """What the paper's printed numbers are of, as its released code has it."""
    metrics = {
        "completeness": {"test": "exact"},
        "sensitivity": {"explanation": "gradient_stand_in"},
    }
    transposed = {method: {"transpose": True} for method in GRADIENT}
    return of_protocol({"metrics": metrics, "normalization": transposed})


@dataclass(frozen=True)
class Block:
    """Values in the paper's units of methods x metrics on the images that all of them share.

    `values` is (N, methods, metrics); `n` is N, or None for printed means (N = 1).
    """

    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    values: Floats
    n: int | None
    anytime: bool = False

    def __getitem__(self, names: Sequence[str]) -> Floats:
        return self.values[:, [self.methods.index(name) for name in names]]

    @property
    def shorts(self) -> list[str]:
        """The abbreviations of the metrics."""
        return [SHORTS[metric] for metric in self.metrics]


@dataclass(frozen=True)
class Evidence:
    """Means of cells in the paper's units, and what is behind them.

    Attributes:
        name: what the reader calls it, such as a run's directory.
        protocol: of the run; "printed" for the paper. It decides nothing.
        model: the run's network; the paper's has no name here. It decides nothing.
        target: the class that claims without one are checked on.
        printed: the mean of every cell.
        cells: rows summed by image, in natural units; None for the paper.
        probability: by transform (images,) of `target`'s class, the mean of its variations, NaN
            where unknown, by the positions that `Group.images` holds; empty where nobody stored it.
        images: images with any score.
        catalog: what its methods and metrics are.
        missed: (images,) whether the network predicts another class than the ground truth; None
            where that is not stored of every image.
        times: how often each image stands here (`enough.repeated`).
        places: (images,) the order in which a run that stopped when sure came to its images.
    """

    name: str
    protocol: str
    target: str
    printed: Mapping[Key, float]
    cells: Mapping[Key, Group] | None = None
    probability: Mapping[str, Floats] = field(default_factory=dict)
    images: int = PAPER_IMAGES
    catalog: Catalog = field(default_factory=printed_catalog)
    places: NDArray[np.int64] | None = None
    model: str = ""
    missed: Bools | None = None
    times: int = 1

    def key(self, method: str, metric: str, transform: str = "none", target: str = "") -> Key:
        """The cell of a method and metric, of this evidence's target unless another is named."""
        return Key(method, target or self.target, transform, metric)

    def has(self, *keys: Key) -> bool:
        """Whether all of these cells hold a mean."""
        return all(key in self.printed for key in keys)

    @property
    def anytime(self) -> bool:
        """Whether the scores decided how many images there are."""
        return self.places is not None

    def common(self, keys: Sequence[Key]) -> NDArray[np.int64]:
        """The images that all of these cells have a usable score for, in the order of `places`."""
        assert self.cells is not None
        times = np.zeros(self.images, dtype=np.int64)
        for key in keys:
            times[self.cells[key].images] += 1
        shared = np.flatnonzero(times == len(keys)).astype(np.int64)
        return shared if self.places is None else shared[np.argsort(self.places[shared])]

    def values(self, keys: Sequence[Key], images: NDArray[np.int64] | None = None) -> Floats:
        """Values (N, C) in the paper's units on the images that the cells share (or on these).

        Variations are averaged within an image. The paper has one row, its printed means.
        """
        if self.cells is None:
            return np.array([[self.printed[key] for key in keys]])
        shared = self.common(keys) if images is None else images
        columns = []
        for key in keys:
            cell = self.cells[key]
            kept = np.searchsorted(cell.images, shared)
            columns.append(in_print(key.metric, cell.sums[kept] / cell.counts[kept]))
        return np.stack(columns, axis=1)

    def block(
        self, methods: Sequence[str], metrics: Sequence[str], target: str = ""
    ) -> Block | Finding:
        """Methods x metrics on untouched inputs, or the finding that something is missing."""
        lacking = [
            m for m in metrics if not all(self.has(self.key(x, m, target=target)) for x in methods)
        ]
        if lacking or not metrics:
            return _no_scores(self, methods, lacking, target)
        keys = [self.key(method, metric, target=target) for method in methods for metric in metrics]
        values = self.values(keys)
        if not len(values):
            return nothing_shared()
        shaped = values.reshape(len(values), len(methods), len(metrics))
        n = None if self.cells is None else len(values)
        return Block(tuple(methods), tuple(metrics), shaped, n, self.anytime)


def _no_scores(
    evidence: Evidence, methods: Sequence[str], lacking: Sequence[str], target: str
) -> Finding:
    absent = [
        x
        for x in methods
        if not any(evidence.has(evidence.key(x, m, target=target)) for m in lacking)
    ]
    which = ", ".join(map(evidence.catalog.label, absent)) or "some methods"
    return Finding(
        UNMEASURED, f"no scores of {', '.join(SHORTS[metric] for metric in lacking)} for {which}"
    )


def in_print(metric: str, values: Floats) -> Floats:
    """Natural values in the paper's units; metrics that it has no column for stay as they are."""
    form = FORMS.get(metric)
    if form is None or form.mean:
        return values
    return form.offset + form.scale * values


def from_paper() -> Evidence:
    """The paper's printed tables (each cell once, those whose print is in doubt left out)."""
    from xaibench.published import paper_tables

    names = {form.key: metric for metric, form in FORMS.items()}
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


def from_run(source: Source) -> Evidence:
    """A run's scores; claims are about the ground-truth class where the run has it."""
    header = build_header(source.scores)
    cells = {key: group for key, group in groups(source.scores) if len(group.images)}
    targets = {key.target for key in cells}
    target = "ground_truth" if "ground_truth" in targets or not targets else min(targets)
    evidence = from_cells(
        cells,
        header.images,
        source.known,
        places=source.stopped.at(source.images) if source.stopped else None,
        name=source.name,
        protocol=header.protocol,
        target=target,
        probability=_probability(source, target),
        model=header.model,
    )
    return replace(evidence, missed=_missed(source))


def from_cells(
    cells: Mapping[Key, Group],
    images: int,
    catalog: Catalog,
    *,
    name: str = "",
    protocol: str = "",
    target: str = "ground_truth",
    probability: Mapping[str, Floats] | None = None,
    places: NDArray[np.int64] | None = None,
    model: str = "",
) -> Evidence:
    """Evidence of cells whose rows are summed by image."""
    printed = {
        key: float(in_print(key.metric, np.array([cell.sums.sum() / cell.counts.sum()]))[0])
        for key, cell in cells.items()
    }
    return Evidence(
        name, protocol, target, printed, cells, probability or {}, images, catalog, places, model
    )


def _missed(source: Source) -> Bools | None:
    """Which images the network predicts another class of than their label, in sorted order."""
    known = source.predictions
    if known is None or not {"argmax", "label"} <= set(known.columns):
        return None
    plain = known[known["transform"] == "none"].astype({"image": str})
    by = plain.drop_duplicates("image").set_index("image").reindex(source.images)
    if by["argmax"].isna().any():
        return None
    return (by["argmax"] != by["label"]).to_numpy(dtype=np.bool_)


def _probability(source: Source, target: str) -> dict[str, Floats]:
    """The target class's probability on every scored image, in the order of sorted names."""
    if source.predictions is None:
        return {}
    named = source.predictions.astype({"transform": str, "image": str})
    means = named.groupby(["transform", "image"])[f"probability_{target}"].mean()
    return {
        str(name): means[name].reindex(source.images).to_numpy(dtype=np.float64)
        for name in means.index.unique("transform")
    }
