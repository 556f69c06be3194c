"""Paired differences of one cell: join, statuses, intervals, interaction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from xaibench.analysis.effects import (
    ALL,
    OTHER_QUANTITY,
    UNCHANGED,
    Effect,
    Variant,
    cell_effects,
    with_intervals,
)

CELL = ("gradcam", "insertion", "ground_truth", "none")


def rows(values: dict[str, float], **statuses: str) -> pd.DataFrame:
    status = [statuses.get(image, "ok") for image in values]
    columns = {"image": list(values), "variation": "none", "status": status}
    return pd.DataFrame({**columns, "value": list(values.values())})


def varied(values: dict[str, list[float | None]]) -> pd.DataFrame:
    """Rows of a transform: each image's values by variation, None where there is no row."""
    found = [
        {"image": image, "variation": str(i), "status": "ok", "value": value}
        for image, some in values.items()
        for i, value in enumerate(some)
        if value is not None
    ]
    return pd.DataFrame(found).sample(frac=1, random_state=0)


def effects(
    base: pd.DataFrame, everything: pd.DataFrame | None = None, **singles: pd.DataFrame | None
) -> dict[str, Effect]:
    variants = [Variant(name, held, OTHER_QUANTITY) for name, held in singles.items()]
    last = None if everything is None else Variant(ALL, everything)
    found = with_intervals(cell_effects(CELL, base, variants, last))
    return {effect.switch: effect for effect in found}


def test_images_are_joined_by_id_not_by_place() -> None:
    base = rows({"a": 0.1, "b": 0.2, "c": 0.9})
    found = effects(base, one=rows({"c": 1.0, "a": 0.4, "b": 0.4}))["one"]
    assert found.n == 3
    assert found.change == pytest.approx((0.3 + 0.2 + 0.1) / 3)
    assert found.mean == pytest.approx(0.6)


def test_only_images_with_both_values_count() -> None:
    nan = float("nan")
    base = rows({"a": 0.1, "b": 0.2, "c": nan, "d": 0.4}, c="nonfinite", d="constant_map")
    after = rows({"a": 0.5, "b": nan, "c": 0.7, "d": 0.2, "e": 9.0}, b="failed", d="constant_map")
    found = effects(base, one=after)
    assert found["from"].n == 3
    assert found["from"].n_constant == 1
    assert (found["one"].n, found["one"].n_constant) == (2, 1)
    assert found["one"].change == pytest.approx((0.4 - 0.2) / 2)
    assert found["one"].mean == pytest.approx(0.35)


def test_nothing_in_common_is_no_number() -> None:
    found = effects(rows({"a": 0.1}), one=rows({"b": 0.3}))["one"]
    assert (found.n, found.change, found.low) == (0, None, None)


def test_the_interval_of_two_images_is_known() -> None:
    """A resample is the first twice (1/4), both (1/2) or the second twice (1/4)."""
    found = effects(rows({"a": 0.5, "b": 0.5}), one=rows({"a": 0.4, "b": 0.8}))["one"]
    assert (found.low, found.high) == (pytest.approx(-0.1), pytest.approx(0.3))
    assert not found.firm


def test_the_interval_is_paired() -> None:
    """A shift of every image alike is certain, however much the images differ."""
    rng = np.random.default_rng(0)
    values = {f"{i}.jpg": float(v) for i, v in enumerate(rng.uniform(0, 1, 40))}
    found = effects(rows(values), one=rows({k: v - 0.01 for k, v in values.items()}))["one"]
    assert found.low == pytest.approx(-0.01)
    assert found.high == pytest.approx(-0.01)
    assert found.firm


def test_one_image_has_no_interval() -> None:
    found = effects(rows({"a": 0.1}), one=rows({"a": 0.3}))["one"]
    assert found.change == pytest.approx(0.2)
    assert (found.low, found.high, found.firm) == (None, None, False)


def test_the_interaction_is_what_the_switches_do_not_add_up_to() -> None:
    base = {"a": 0.1, "b": 0.2, "c": 0.3}
    found = effects(
        rows(base),
        one=rows({k: v + 0.1 for k, v in base.items()}),
        two=rows({k: v * 2 for k, v in base.items()}),
        everything=rows({k: (v + 0.1) * 2 for k, v in base.items()}),
    )
    assert found["all of them"].change == pytest.approx(0.4)
    assert found["interaction"].change == pytest.approx(0.1)
    assert found["interaction"].low == pytest.approx(0.1)
    total = sum(found[name].change or 0 for name in ("one", "two", "interaction"))
    assert total == pytest.approx(found["all of them"].change)


def test_the_interaction_needs_every_variant() -> None:
    base = {"a": 0.1, "b": 0.2, "c": 0.3}
    found = effects(
        rows(base),
        one=rows({"a": 0.2, "b": 0.3}),
        two=rows({"b": 0.2, "c": 0.3}),
        everything=rows({"a": 0.5, "b": 0.4, "c": 0.5}),
    )
    assert found["interaction"].n == 1
    assert found["interaction"].change == pytest.approx(0.2 - 0.1)
    same = rows(base)
    only = effects(rows(base), one=same, everything=same)
    assert "interaction" not in only, "one switch is all of them"
    other = effects(rows(base), one=rows(base), everything=rows({"a": 0.3, "b": 0.2, "c": 0.3}))
    assert other["interaction"].change == pytest.approx(0.2 / 3), "others move with it"


def test_another_quantity_has_no_difference() -> None:
    base = rows({"a": 0.0, "b": 1.0})
    found = effects(base, one=None, two=base, everything=base)
    assert (found["one"].note, found["one"].change) == (OTHER_QUANTITY, None)
    assert "interaction" not in found


def test_an_image_is_the_mean_of_its_variations() -> None:
    base = varied({"a": [0.0, 0.4], "b": [0.5, 0.5], "c": [0.9]})
    after = varied({"a": [0.2, 0.6], "b": [0.5, None], "c": [None, 0.1]})
    found = effects(base, one=after)
    assert found["from"].n == 3
    assert found["from"].mean == pytest.approx((0.2 + 0.5 + 0.9) / 3)
    assert found["one"].n == 2, "no variation of c has both values"
    assert found["one"].change == pytest.approx((0.2 + 0.0) / 2)
    assert found["one"].mean == pytest.approx((0.4 + 0.5) / 2)


def test_intervals_resample_images_and_not_variations() -> None:
    """Four variations of two images are two images: the ends are those of the images' means."""
    base = varied({"a": [0.5] * 4, "b": [0.5] * 4})
    after = varied({"a": [0.2, 0.4, 0.4, 0.6], "b": [0.6, 0.8, 0.8, 1.0]})
    found = effects(base, one=after)["one"]
    assert found.n == 2
    assert (found.low, found.high) == (pytest.approx(-0.1), pytest.approx(0.3))


def test_variations_that_cancel_out_are_a_change() -> None:
    base = varied({"a": [0.5, 0.5], "b": [0.5, 0.5]})
    after = varied({"a": [0.4, 0.6], "b": [0.3, 0.7]})
    found = effects(base, one=after)["one"]
    assert found.change == pytest.approx(0)
    assert found.note == "", "rows moved"


def test_rounding_is_no_change() -> None:
    base = rows({"a": 0.1, "b": 50_000.0})
    found = effects(base, one=rows({"a": 0.100001, "b": 50_000.1}), two=rows({"a": 0.11, "b": 5e4}))
    assert found["one"].note == UNCHANGED
    assert not found["one"].firm
    assert found["two"].note == ""
