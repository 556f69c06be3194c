"""What a switch moves: differences of the same images' values, with paired bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from xaibench.report.measure import AVERAGED
from xaibench.report.stats import Floats, bootstrap_intervals

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["from", "switch", "all", "interaction"]
FROM, ALL, INTERACTION = "from", "all of them", "interaction"


@dataclass(frozen=True)
class Variant:
    """The scores of one cell under one switch, or under both protocols' every difference.

    rows: columns image, status and value, one row an image; None where no difference can be
    taken because the switch changes what is measured.
    """

    name: str
    rows: pd.DataFrame | None


@dataclass(frozen=True)
class Effect:
    """One change of one cell's mean, in natural units.

    kind: 'from' (the first protocol itself: no change), 'switch', 'all' or 'interaction' (all
    minus the sum of the switches). mean: of the changed values over the n images that have one
    before and after; change: of that mean; low, high: its 95% interval, None with fewer than two
    images; n_constant: rows among them whose map is constant after the change. note: `unchanged`
    where no image's value moves by more than rounding (`none` of an interaction), `another
    quantity` where no difference can be taken.
    """

    method: str
    metric: str
    target: str
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
OTHER_QUANTITY, UNCHANGED, NONE = "another quantity", "unchanged", "none"


def cell_effects(
    cell: tuple[str, str, str],
    base: pd.DataFrame,
    singles: Sequence[Variant],
    everything: Variant | None,
) -> list[tuple[Effect, pd.Series[float] | None]]:
    """Effects of one cell (method, metric, target) with each image's difference, no intervals yet.

    The interaction is taken over the images that have a value in every variant.
    """
    start = _values(base)
    mean = float(start.mean()) if len(start) else None
    found: list[tuple[Effect, pd.Series[float] | None]] = [
        (Effect(*cell, "from", FROM, mean, None, None, None, len(start), _constant(base)), None)
    ]
    changes = []
    for variant in singles:
        effect, change = _effect(cell, "switch", variant, start)
        found.append((effect, change))
        changes.append(change)
    if everything is None:
        return found
    effect, total = _effect(cell, "all", everything, start)
    found.append((effect, total))
    known = [change for change in changes if change is not None]
    if total is None or len(known) < len(changes) or len(changes) < 2:
        return found
    rest = total
    for change in known:
        rest = (rest - change).dropna()
    mean = float(rest.mean()) if len(rest) else None
    note = NONE if np.allclose(rest, 0, atol=ROUNDING) else ""
    left = Effect(*cell, "interaction", INTERACTION, None, mean, None, None, len(rest), note=note)
    return [*found, (left, rest)]


def _effect(
    cell: tuple[str, str, str], kind: Kind, variant: Variant, start: pd.Series[float]
) -> tuple[Effect, pd.Series[float] | None]:
    if variant.rows is None:
        none = Effect(*cell, kind, variant.name, None, None, None, None, 0, note=OTHER_QUANTITY)
        return none, None
    values = _values(variant.rows)
    change = (values - start).dropna().sort_index()
    paired = values[change.index]
    constant = _constant(variant.rows[variant.rows["image"].isin(change.index)])
    if not len(change):
        return Effect(*cell, kind, variant.name, None, None, None, None, 0), change
    same = np.allclose(paired, start[change.index], rtol=ROUNDING, atol=ROUNDING)
    effect = Effect(
        *cell,
        kind,
        variant.name,
        mean=float(paired.mean()),
        change=float(change.mean()),
        low=None,
        high=None,
        n=len(change),
        n_constant=constant,
        note=UNCHANGED if same else "",
    )
    return effect, change


def _values(rows: pd.DataFrame) -> pd.Series[float]:
    """Values by image of the rows that are in a mean."""
    kept = rows[rows["status"].isin(AVERAGED) & np.isfinite(rows["value"])]
    return kept.set_index("image")["value"].sort_index()


def _constant(rows: pd.DataFrame) -> int:
    return int((rows["status"] == "constant_map").sum())


def with_intervals(
    effects: Iterable[tuple[Effect, pd.Series[float] | None]],
) -> list[Effect]:
    """The effects with 95% intervals; those of the same images share their resamples."""
    held = list(effects)
    alike: dict[tuple[str, ...], list[int]] = {}
    for i, (_, change) in enumerate(held):
        if change is not None and len(change) > 1:
            alike.setdefault(tuple(change.index), []).append(i)
    found = [effect for effect, _ in held]
    for places in alike.values():
        columns = [held[i][1] for i in places]
        sums = np.stack([c.to_numpy(np.float64) for c in columns if c is not None], axis=1)
        counts: Floats = np.ones(sums.shape)
        ends = bootstrap_intervals(np.asarray(sums, np.float64), counts)
        for i, low, high in zip(places, *ends, strict=True):
            found[i] = replace(found[i], low=float(low), high=float(high))
    return found
