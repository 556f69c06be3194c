"""A report of some methods and metrics of a run alone."""

from __future__ import annotations

import pandas as pd
import pytest
from frames import frame

from xaibench.analysis.chosen import narrowed, only
from xaibench.analysis.compare import Source
from xaibench.errors import UsageError

METHODS = ("gradcam", "rise", "rise(n_masks=50)", "file:my.py:mine(power=2)")


@pytest.fixture
def scores() -> pd.DataFrame:
    rows = [{"method": m, "metric": k} for m in METHODS for k in ("insertion", "deletion")]
    return frame(rows).astype({"method": "category", "metric": "category"})


@pytest.mark.parametrize(
    ("names", "held"),
    [
        ((), METHODS),
        (("all",), METHODS),
        (("GradCAM, rise",), METHODS[:3]),
        (("rise(n_masks=50)",), METHODS[2:3]),
        (("file:/home/me/my.py:mine", "GRADCAM"), (METHODS[0], METHODS[3])),
    ],
)
def test_names_keys_and_specs(
    scores: pd.DataFrame, names: tuple[str, ...], held: tuple[str, ...]
) -> None:
    found = only(scores, names)
    assert set(found["method"]) == set(found["method"].cat.categories) == set(held)
    assert len(only(scores, names, ["insertion"])) == len(held)


def test_an_unknown_name_says_what_there_is(scores: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="unknown method of this run 'gradcm': did you mean 'grad"):
        only(scores, ["gradcm"])
    with pytest.raises(
        UsageError, match="unknown metric of this run 'sparseness': known: deletion"
    ):
        only(scores, [], ["sparseness"])


def test_timings_go_with_the_methods(scores: pd.DataFrame) -> None:
    source = Source("run", scores, timings=[{"method": "rise"}, {"method": "gradcam"}])
    found = narrowed(source, ["gradcam"])
    assert found.timings == [{"method": "gradcam"}]
    assert found.agreement is None
