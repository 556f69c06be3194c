"""Means, counts and what is left out, on frames small enough to do by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from xaibench.analysis.measure import Key, measure
from xaibench.errors import XaibenchError

KEY = Key("gradcam", "ground_truth", "none", "insertion")
RESIZE = KEY._replace(transform="resize")


def test_statuses(make_frame) -> None:
    statuses = {
        "ok": 0.1,
        "constant_map": 0.5,
        "nonfinite": math.nan,
        "failed": math.nan,
        "no_box": 9.0,
        "not_applicable": 9.0,
    }
    rows = [{"image": s, "status": s, "value": v} for s, v in statuses.items()]
    rows.append({"image": "also ok", "status": "ok", "value": 0.3})
    rows.append({"image": "broken store", "status": "ok", "value": math.inf})
    result = measure(make_frame(rows))[KEY]
    assert result.mean == pytest.approx(0.3)
    assert (result.n, result.n_constant) == (3, 1)
    assert result.n_left_out == {"failed": 1, "no_box": 1, "nonfinite": 2, "not_applicable": 1}


def test_nothing_left_to_average(make_frame) -> None:
    result = measure(make_frame([{"status": "failed", "value": math.nan}]))[KEY]
    assert (result.mean, result.low, result.n) == (None, None, 0)


def test_images_are_resampled_not_rows(make_frame) -> None:
    # Four identical variations of an image carry no more information than one.
    values = {"a": 0.1, "b": 0.9, "c": 0.4, "d": 0.6, "e": 0.2}
    one = make_frame({"image": i, "value": v} for i, v in values.items())
    four = make_frame(
        {"image": i, "value": v, "transform": "resize", "variation": w}
        for w in (32, 64, 128, 448)
        for i, v in values.items()
    )
    single, repeated = measure(one)[KEY], measure(four)[RESIZE]
    assert repeated.n == 5
    assert (repeated.mean, repeated.low, repeated.high) == pytest.approx(
        (single.mean, single.low, single.high)
    )
    assert repeated.variations == ("128", "32", "448", "64")


def test_row_order_and_categoricals_change_nothing(full_study: pd.DataFrame) -> None:
    part = full_study[full_study["method"].isin(["gradcam", "lime"])]
    shuffled = part.sample(frac=1, random_state=0).astype({"method": str, "metric": str})
    first, second = measure(part, resamples=100), measure(shuffled, resamples=100)
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert (value.mean, value.low, value.high) == pytest.approx(
            (second[key].mean, second[key].low, second[key].high), rel=1e-12
        )


def test_means_are_those_of_pandas(full_study: pd.DataFrame) -> None:
    groups = ["method", "target", "transform", "metric"]
    expected = full_study.groupby(groups, observed=True)["value"].mean()
    found = measure(full_study, resamples=2)
    assert len(found) == len(expected)
    for key, value in expected.items():
        assert found[Key(*key)].mean == pytest.approx(value)


def test_an_image_twice_is_refused(make_frame) -> None:
    with pytest.raises(XaibenchError, match="gradcam, metric insertion"):
        measure(make_frame([{}, {}]))
