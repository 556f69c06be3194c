"""A report of some methods and metrics of a run alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from frames import frame
from rich.console import Console

from xaibench.analysis.chosen import narrowed, only
from xaibench.analysis.compare import Source
from xaibench.errors import UsageError
from xaibench.report import write_pages

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


def test_a_page_of_some_says_of_which(scores: pd.DataFrame, tmp_path: Path) -> None:
    """Else it is taken for the page of all, whose files it replaces."""
    whole = Source("run", scores)
    some = narrowed(whole, ["gradcam,rise"], ["insertion"])
    assert some.part == "Of methods gradcam, rise and metric insertion alone."
    assert narrowed(whole, ["file:/home/me/my.py:mine"]).part == "Of method file:my.py:mine alone."
    for source in (whole, some):
        (text, *_) = write_pages(["power"], source, tmp_path, Console(quiet=True))
        assert ("insertion alone." in text.read_text()) is (source is some)
