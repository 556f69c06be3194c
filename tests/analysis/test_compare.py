"""Two runs side by side: what is joined, what is left out, and what is said about it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from frames import EXACT, RESIDUAL
from rich.console import Console
from scipy import stats as scipy_stats

from xaibench.analysis.compare import Source, compare
from xaibench.analysis.measure import Key
from xaibench.analysis.paired import holm
from xaibench.analysis.stats import widened_tail
from xaibench.errors import XaibenchError
from xaibench.report import write_comparison


def values_of(make_frame, values: dict[str, float], **row: str) -> list[dict]:
    return [{"image": image, "value": value, **row} for image, value in values.items()]


def compared(a: pd.DataFrame, b: pd.DataFrame, **options: int):
    return compare(Source("first", a), Source("second", b), **options)


def test_by_hand(make_frame) -> None:
    a = make_frame(values_of(make_frame, {"p": 0.1, "q": 0.3, "only a": 0.9}))
    b = make_frame(values_of(make_frame, {"q": 0.5, "p": 0.2, "only b": 0.0}))
    (found,) = compared(a, b).comparisons
    assert found.key == Key("gradcam", "ground_truth", "none", "insertion")
    assert (found.n, found.left_out) == (2, 2)
    assert (found.mean_a, found.mean_b) == pytest.approx((20, 35))
    assert found.difference == pytest.approx(15)
    assert (found.low, found.high) == pytest.approx((10, 20))
    assert found.p == found.adjusted == pytest.approx(0.5)  # 2 of 4 sign patterns
    assert not found.differs
    result = compared(a, b)
    assert (result.only_a, result.only_b, result.images) == (("only a",), ("only b",), 2)


def test_printed_units_turn_the_difference_round(make_frame) -> None:
    drops = ({"p": 0.1, "q": 0.3, "r": 0.2}, {"p": 0.2, "q": 0.3, "r": 0.6})
    a, b = (make_frame(values_of(make_frame, v, metric="average_drop")) for v in drops)
    (found,) = compared(a, b).comparisons
    assert (found.mean_a, found.mean_b) == pytest.approx((80, 100 - 100 * 1.1 / 3))
    assert found.difference == pytest.approx(found.mean_b - found.mean_a)
    assert found.low < found.difference < found.high <= 0


def test_variations_are_joined_and_then_averaged(make_frame) -> None:
    def resized(values: dict[tuple[str, int], float]) -> pd.DataFrame:
        return make_frame(
            {"image": i, "transform": "resize", "variation": str(size), "value": v}
            for (i, size), v in values.items()
        )

    a = resized({("p", 32): 0.0, ("p", 64): 0.4, ("q", 32): 0.2, ("q", 64): 0.2, ("q", 128): 1.0})
    b = resized({("p", 32): 0.1, ("p", 64): 0.5, ("q", 32): 0.8})
    (found,) = compared(a, b).comparisons
    assert (found.n, found.left_out) == (2, 2)
    # p over 32 and 64, q over 32 alone, each image counting once.
    assert (found.mean_a, found.mean_b) == pytest.approx((20, 55))


def test_rows_without_a_usable_score_are_left_out(make_frame) -> None:
    a = make_frame(values_of(make_frame, {"p": 0.1, "q": 0.3, "r": np.nan, "s": 0.5}))
    b = make_frame(values_of(make_frame, {"p": 0.2, "q": 0.4, "r": 0.1, "s": 0.9}))
    a.loc[a["image"] == "r", "status"] = "nonfinite"
    a.loc[a["image"] == "q", "status"] = "constant_map"  # in the mean
    b.loc[b["image"] == "s", "status"] = "failed"
    (found,) = compared(a, b).comparisons
    assert (found.n, found.left_out) == (2, 4)
    assert found.difference == pytest.approx(10)


def test_cells_of_one_run_and_cells_without_images_are_named(make_frame) -> None:
    a = make_frame([{}, {"method": "lime"}, {"method": "iba", "status": "failed"}])
    b = make_frame([{}, {"method": "rise"}, {"method": "iba"}])
    result = compared(a, b)
    assert [c.key.method for c in result.comparisons] == ["gradcam"]
    assert [key.method for key in result.cells_a] == ["lime"]
    assert [key.method for key in result.cells_b] == ["rise"]
    assert [key.method for key in result.cells_empty] == ["iba"]


def test_nothing_shared(make_frame) -> None:
    with pytest.raises(XaibenchError, match="first and second share no cell"):
        compared(make_frame([{}]), make_frame([{"image": "b.jpg"}]))
    with pytest.raises(XaibenchError, match="share no cell"):
        compared(make_frame([{}]), make_frame([{"method": "lime"}]))


@pytest.fixture(scope="module")
def pair(make_study) -> tuple[pd.DataFrame, pd.DataFrame]:
    a = make_study(14, ("gradcam", "lime", "rise"))
    b = make_study(14, ("gradcam", "lime", "rise"), protocol="reference")
    b["value"] = np.random.default_rng(2).permutation(b["value"].to_numpy())
    shift = (b["metric"] == "insertion") & (b["method"] == "lime")
    b.loc[shift, "value"] = a.loc[shift, "value"] + 0.1
    return a, b


def test_every_comparison_is_that_of_its_values(pair) -> None:
    a, b = pair
    result = compared(a, b, resamples=20_000)
    plain = result.comparisons[:12]
    cells = ["method", "target", "transform", "metric"]
    joined = a.merge(b, on=[*cells, "variation", "image"], suffixes=("_a", "_b"))
    groups = joined.astype({name: str for name in cells}).groupby(cells)
    assert len(result.comparisons) == groups.ngroups - 3  # completeness is another thing in b
    for found in plain:
        rows = groups.get_group(tuple(found.key))
        change = found.column.scale * (rows["value_b"] - rows["value_a"])
        assert found.difference == pytest.approx(change.mean())
        theirs = scipy_stats.bootstrap(
            (change,),
            np.mean,
            n_resamples=20_000,
            confidence_level=1 - 2 * widened_tail(found.n),
            method="percentile",
            rng=np.random.default_rng(3),
        )
        slack = 0.2 * theirs.standard_error + 1e-9
        assert (found.low, found.high) == pytest.approx(
            tuple(theirs.confidence_interval), abs=slack
        )
    adjusted = holm(np.array([c.p for c in result.comparisons]))
    assert [c.adjusted for c in result.comparisons] == adjusted.tolist()


def test_completeness_is_compared_where_both_runs_mean_the_same(make_frame) -> None:
    rows = values_of(make_frame, {"p": 0.0, "q": 1.0}, metric="completeness")
    frames = make_frame(rows), make_frame(rows, protocol="published+x")
    same = compare(*(Source("run", frame, catalog=EXACT) for frame in frames))
    assert len(same.comparisons) == 1
    rows += values_of(make_frame, {"p": 0.5, "q": 0.5})
    frames = make_frame(rows), make_frame(rows)  # of one name, and not of one meaning
    other = compare(Source("a", frames[0], catalog=EXACT), Source("b", frames[1], catalog=RESIDUAL))
    assert [c.key.metric for c in other.comparisons] == ["insertion"]
    assert other.redefined == (("Completeness", "share of passes", "mean residual"),)


def test_row_order_and_categoricals_change_nothing(pair) -> None:
    a, b = pair
    first = compared(a, b, resamples=50)
    shuffled = b.sample(frac=1, random_state=0).astype({"method": str, "metric": str})
    second = compared(a.sample(frac=1, random_state=1), shuffled, resamples=50)
    for one, other in zip(first.comparisons, second.comparisons, strict=True):
        assert one.key == other.key
        assert (one.mean_a, one.low, one.p) == pytest.approx((other.mean_a, other.low, other.p))


def test_a_run_with_itself_differs_nowhere(pair) -> None:
    result = compared(pair[0], pair[0], resamples=50)
    assert result.differences == ()
    assert all(c.difference == 0 and c.p == 1 for c in result.comparisons)


def test_few_images_are_never_called_different(make_frame) -> None:
    for images, differs in ((9, False), (10, True)):
        a = make_frame(values_of(make_frame, {str(i): 0.01 * i for i in range(images)}))
        (found,) = compared(a, a.assign(value=a["value"] + 0.1)).comparisons
        assert found.adjusted < 0.05
        assert found.differs is differs


def test_what_differs_is_said_once(make_frame) -> None:
    a, b = make_frame([{}]), make_frame([{}], protocol="reference")
    first = Source("A", a, {"seed": 0, "protocol_sha256": "12", "preprocessing": {"resize": "x"}})
    second = Source("B", b, {"seed": 1, "protocol_sha256": "34", "preprocessing": {"resize": "y"}})
    assert compare(first, second).differences == (
        "protocol (published in A, reference in B)",
        "preprocessing (resize x in A, resize y in B)",
        "seed (0 in A, 1 in B)",
    )
    same = compare(first, replace(second, scores=a))
    assert same.differences[1] == "protocol_sha256 (12 in A, 34 in B)"


@pytest.mark.parametrize("width", [80, 120])
def test_files_and_terminal(pair, tmp_path: Path, width: int) -> None:
    a, b = pair
    file = io.StringIO()
    paths = write_comparison(
        Source("runs/a", a),
        Source("runs/b", b[b["image"] != "0003.jpg"]),
        tmp_path,
        Console(file=file, width=width),
    )
    assert [path.name for path in paths] == ["compare.md", "compare.csv", "compare.json"]
    text = " ".join(file.getvalue().split())
    assert "runs differ in protocol (published in A, reference in B)" in text
    assert "corrected by Holm for the 123 comparisons made here" in text
    assert "Left out: 1 image only A has: 0003.jpg." in text
    assert max(map(len, file.getvalue().splitlines())) <= width
    content = json.loads((tmp_path / "compare.json").read_text())
    with (tmp_path / "compare.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == len(content["comparisons"]) == 123
    for row, record in zip(rows, content["comparisons"], strict=True):
        assert row == {key: "" if value is None else str(value) for key, value in record.items()}
    (lime,) = [
        r
        for r in content["comparisons"]
        if (r["method"], r["metric"], r["target"], r["transform"])
        == ("lime", "insertion", "ground_truth", "none")
    ]
    assert lime["difference"] == pytest.approx(10)
    assert lime["p"] == pytest.approx(2**-12)
    assert lime["n"] == 13
    assert content["correction"] == "Holm, over 123 comparisons"
    markdown = (tmp_path / "compare.md").read_text()
    assert "| I% | LIME | 13 |" in markdown or "|  | LIME | 13 |" in markdown
