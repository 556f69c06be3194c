"""What a switch moves: differences of the same images' values, with paired bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from xaibench.analysis.intervals import Sample, intervals
from xaibench.analysis.measure import AVERAGED
from xaibench.analysis.stats import Floats

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["from", "switch", "all", "interaction"]
FROM, ALL, INTERACTION = "from", "all of them", "interaction"


@dataclass(frozen=True)
class Variant:
    """The scores of one cell under one switch, or under both protocols' every difference.

    rows: columns image, variation, status and value, one row an image and variation; None where
    there is no difference to be taken, and `note` says why.
    """

    name: str
    rows: pd.DataFrame | None
    note: str = ""


@dataclass(frozen=True)
class Effect:
    """One change of one cell's mean, in natural units.

    kind: 'from' (the first protocol itself: no change), 'switch', 'all' or 'interaction' (all
    minus the sum of the switches). An image's value is the mean over the variations of the
    transform that have one before and after. mean: of the changed values over the n images that
    have one; change: of that mean; low, high: its 95% interval, resampling images, None with fewer
    than two; n_constant: rows among them whose map is constant after the change. note: `unchanged`
    where no row's value moves by more than rounding (`none` of an interaction), `another quantity`
    or `not alone` where no difference can be taken.
    """

    method: str
    metric: str
    target: str
    transform: str
    kind: Kind
    switch: str
    mean: float | None
    change: float | None
    low: float | None
    high: float | None
    n: int
    n_constant: int = 0
    note: str = ""

    @property
    def firm(self) -> bool:
        """Whether the interval excludes zero."""
        if self.note or self.low is None or self.high is None:
            return False
        return self.low > 0 or self.high < 0


ROUNDING = 1e-5
"""What another cut of the batches may do to a value (relative above 1)."""


def differences(a: Floats, b: Floats) -> Floats:
    """Of a less b, of one shape; 0 where they are within rounding of each other."""
    return np.where(np.isclose(a, b, rtol=ROUNDING, atol=ROUNDING), 0.0, a - b)


OTHER_QUANTITY, UNCHANGED, NONE = "another quantity", "unchanged", "none"
NOT_ALONE = "not alone"
"""Of a switch that cannot be had without others: explaining again what a BatchNorm group shares."""

Cell = tuple[str, str, str, str]
"""Method, metric, target and transform."""


def cell_effects(
    cell: Cell,
    base: pd.DataFrame,
    singles: Sequence[Variant],
    everything: Variant | None,
) -> list[tuple[Effect, pd.Series[float] | None]]:
    """Effects of one cell with each image's difference, no intervals yet.

    The interaction is taken over the images and variations that have a value in every variant;
    there is none where all of them is the one switch, whose very rows it then has.
    """
    start = _values(base)
    mean = _mean(_by_image(start))
    first = Effect(*cell, "from", FROM, mean, None, None, None, _images(start), _constant(base))
    changed: list[tuple[Effect, pd.Series[float] | None]] = [(first, None)]
    changed += [_effect(cell, "switch", variant, start) for variant in singles]
    changes = [change for _, change in changed[1:]]
    if everything is not None:
        effect, total = _effect(cell, "all", everything, start)
        changed.append((effect, total))
        one = len(singles) == 1 and everything.rows is singles[0].rows
        if total is not None and changes and not one and all(c is not None for c in changes):
            changed.append(_interaction(cell, total, [c for c in changes if c is not None]))
    return [(effect, None if c is None else _by_image(c)) for effect, c in changed]


def _interaction(
    cell: Cell, total: pd.Series[float], changes: Sequence[pd.Series[float]]
) -> tuple[Effect, pd.Series[float]]:
    """What the switches do not add up to; changes by image and variation."""
    rest = total
    for change in changes:
        rest = (rest - change).dropna()
    mean = _mean(_by_image(rest))
    note = NONE if np.allclose(rest, 0, atol=ROUNDING) else ""
    kind: Kind = "interaction"
    return Effect(*cell, kind, INTERACTION, None, mean, None, None, _images(rest), 0, note), rest


def _effect(
    cell: Cell, kind: Kind, variant: Variant, start: pd.Series[float]
) -> tuple[Effect, pd.Series[float] | None]:
    """One variant's effect, and its change by image and variation."""
    if variant.rows is None:
        none = Effect(*cell, kind, variant.name, None, None, None, None, 0, note=variant.note)
        return none, None
    values = _values(variant.rows)
    change = (values - start).dropna().sort_index()
    paired = values[change.index]
    if not len(change):
        return Effect(*cell, kind, variant.name, None, None, None, None, 0), change
    keys = variant.rows.set_index(PLACE).index
    same = np.allclose(paired, start[change.index], rtol=ROUNDING, atol=ROUNDING)
    effect = Effect(
        *cell,
        kind,
        variant.name,
        mean=_mean(_by_image(paired)),
        change=_mean(_by_image(change)),
        low=None,
        high=None,
        n=_images(change),
        n_constant=_constant(variant.rows[keys.isin(change.index)]),
        note=UNCHANGED if same else "",
    )
    return effect, change


PLACE = ["image", "variation"]


def _values(rows: pd.DataFrame) -> pd.Series[float]:
    """Values by image and variation of the rows that are in a mean."""
    kept = rows[rows["status"].isin(AVERAGED) & np.isfinite(rows["value"])]
    return kept.set_index(PLACE)["value"].sort_index()


def _by_image(values: pd.Series[float]) -> pd.Series[float]:
    """Each image's mean over its variations, in the order of the images."""
    return values.groupby(level="image").mean()


def _mean(values: pd.Series[float]) -> float | None:
    return float(values.mean()) if len(values) else None


def _images(values: pd.Series[float]) -> int:
    return int(values.index.get_level_values("image").nunique())


def _constant(rows: pd.DataFrame) -> int:
    return int((rows["status"] == "constant_map").sum())


def with_intervals(
    effects: Iterable[tuple[Effect, pd.Series[float] | None]],
) -> list[Effect]:
    """The effects with 95% intervals; those of the same images share their resamples."""
    held = list(effects)
    samples = {
        i: Sample(tuple(change.index), np.asarray(change, np.float64))
        for i, (_, change) in enumerate(held)
        if change is not None
    }
    bounded = [effect for effect, _ in held]
    for i, ends in intervals(samples).items():
        bounded[i] = replace(bounded[i], low=ends.low, high=ends.high)
    return bounded
