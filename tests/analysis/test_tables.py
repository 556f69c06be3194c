"""Tables 1-4: scales, the paper's numbers, rows, columns, places and notes."""

from __future__ import annotations

import pandas as pd
import pytest
from frames import EXACT, RESIDUAL, declared

from xaibench.analysis.columns import OTHER, paper_column
from xaibench.analysis.layout import places, table_rows
from xaibench.analysis.tables import build_table, build_tables
from xaibench.analysis.types import Table
from xaibench.config.declared import shipped
from xaibench.errors import UsageError, XaibenchError
from xaibench.published import imagenet_wnids, paper_tables
from xaibench.published.tables import FORMS, METHODS
from xaibench.report.pages.tables import legend

# Written out again from the paper's headings: printed -> natural units.
TO_NATURAL = {
    "average_increase": ("average_increase", lambda v: v / 100),
    "average_drop_bar": ("average_drop", lambda v: (100 - v) / 100),
    "average_gain": ("average_gain", lambda v: v / 100),
    "insertion": ("insertion", lambda v: v / 100),
    "deletion_bar": ("deletion", lambda v: (100 - v) / 100),
    "monotonicity": ("monotonicity", float),
    "max_sensitivity": ("max_sensitivity", float),
    "avg_sensitivity": ("avg_sensitivity", float),
    "sparseness": ("sparseness", lambda v: v / 100),
    "complexity": ("complexity", float),
    "effective_complexity": ("effective_complexity", float),
}
VARIATIONS = {"none": ["none"], "resize": ["32", "64", "128", "448"]}


def cells(table: Table) -> dict[tuple[str, str, str, str], object]:
    return {
        (row.method, column.target, column.transform, column.column.paper): cell
        for row, line in zip(table.rows, table.cells, strict=True)
        for column, cell in zip(table.columns, line, strict=True)
    }


def paper_as_scores(make_frame, number: int) -> pd.DataFrame:
    rows = []
    for cell in paper_tables().query("table == @number").itertuples():
        metric, natural = TO_NATURAL[cell.metric]
        for variation in VARIATIONS.get(cell.transform, ["1", "2", "3", "4"]):
            rows += [
                {
                    "image": image,
                    "method": cell.method,
                    "target": cell.target,
                    "transform": cell.transform,
                    "variation": variation,
                    "metric": metric,
                    "value": natural(cell.value) + shift * 1e-3,
                }
                for image, shift in (("a", -1), ("b", 1))
            ]
    return make_frame(rows)


@pytest.mark.parametrize(("number", "count"), [(1, 60), (2, 150), (3, 50), (4, 200)])
def test_every_cell_of_the_paper_is_reproduced(make_frame, number: int, count: int) -> None:
    table = build_table(paper_as_scores(make_frame, number), number, resamples=50)
    found = cells(table)
    assert len(found) == count
    for row in paper_tables().query("table == @number").itertuples():
        cell = found[row.method, row.target, row.transform, row.metric]
        assert cell.paper == row.value
        assert cell.mean == pytest.approx(row.value, abs=1e-9)
        assert cell.difference == pytest.approx(0, abs=1e-9)
        assert cell.low <= cell.mean <= cell.high
        assert (cell.n, bool(cell.paper_note)) == (2, bool(row.note))


def test_paper_has_460_cells_and_our_keys_cover_them() -> None:
    paper = paper_tables()
    assert len(paper) == 460
    assert set(paper["metric"]) == {form.key for form in FORMS.values()} - {"completeness"}
    assert set(paper["method"]) == set(METHODS)
    rows = table_rows(METHODS, shipped())
    assert [row.method for row in rows] == list(METHODS), "families do not tear its order apart"
    assert len(FORMS) == 12
    paper.loc[:, "value"] = 0.0  # a caller's copy
    assert paper_tables()["value"].sum() > 0


def test_imagenet_wnids() -> None:
    wnids = imagenet_wnids()
    assert (len(wnids), wnids[0], wnids[999]) == (1000, "n01440764", "n15075141")


def test_rows_in_the_papers_order_then_others(make_frame) -> None:
    methods = ["opticam", "iba", "rise(n_masks=2000)", "fakecam"]
    table = build_table(make_frame({"method": m} for m in methods), 1)
    assert [row.method for row in table.rows] == ["fakecam", "opticam", "rise(n_masks=2000)", "iba"]
    assert [row.label for row in table.rows] == [
        "Fake-CAM",
        "Opti-CAM",
        "rise(n_masks=2000)",
        "IBA",
    ]
    assert [row.family for row in table.rows] == [
        "Control",
        "CAM based",
        *["Perturbation based"] * 2,
    ]
    assert [line[0].paper for line in table.cells] == [60.1, None, None, 66.5]
    assert table.cells[0][0].low is None  # one image


def test_default_tables(full_study: pd.DataFrame, make_frame) -> None:
    assert [table.number for table in build_tables(full_study, resamples=2)] == [1, 2, 3, 4]
    # Table 2 would only repeat Table 1
    assert [table.number for table in build_tables(make_frame([{}]))] == [1]
    assert [table.number for table in build_tables(make_frame([{}]), [2, 3])] == [2, 3]
    predicted = build_tables(make_frame([{"target": "predicted"}]))
    assert [table.number for table in predicted] == [2]


def test_other_metrics_in_natural_units(make_frame) -> None:
    rows = [
        {"metric": "pointing_game", "value": 1.0},
        {"metric": "insertion(steps=224)", "value": 0.25},
        {"metric": "insertion", "target": "predicted", "transform": "crop", "value": 0.125},
        {"metric": "complexity", "target": "predicted", "value": 10.5},
    ]
    (table,) = build_tables(make_frame(rows))
    assert table.number == OTHER
    (line,) = table.cells
    found = {(c.column.metric, c.group): x for c, x in zip(table.columns, line, strict=True)}
    assert {key: cell.mean for key, cell in found.items()} == {
        ("pointing_game", "ground-truth class"): 1.0,
        ("insertion(steps=224)", "ground-truth class"): 0.25,
        ("insertion", "predicted class, crop"): 0.125,
        ("complexity", "predicted class"): 10.5,
    }
    better = {c.column.metric: c.column.higher_is_better for c in table.columns}
    assert (better["insertion"], better["pointing_game"], better["complexity"]) == (
        True,
        True,
        False,
    )


@pytest.mark.parametrize("protocol", ["published", "published+steps", "mine"])
def test_completeness_is_what_the_run_declares_whatever_its_protocol_is_called(
    make_frame, protocol: str
) -> None:
    rows = [{"metric": "completeness", "image": i, "value": i == "a"} for i in "abcd"]
    scores = make_frame(rows, protocol=protocol)
    table = build_table(scores, 3, catalog=EXACT)
    assert table.cells[0][0].mean == 25.0
    assert any("every method fails" in note for note in table.notes)
    (other,) = build_tables(scores, catalog=RESIDUAL)
    assert (other.number, other.cells[0][0].mean) == (OTHER, 0.25)


def test_binary_metrics_take_wilsons_interval_and_others_are_marked(make_frame) -> None:
    rows = [
        {"metric": metric, "image": str(i), "value": 0.0}
        for metric in ("average_increase", "average_gain", "pointing_game")
        for i in range(10)
    ]
    first, other = build_tables(make_frame(rows), catalog=shipped())
    increase, gain = first.cells[0]
    assert (increase.low, round(increase.high, 1), increase.unsure) == (0.0, 27.8, False)
    assert (gain.low, gain.high, gain.unsure) == (0.0, 0.0, True)
    assert any("coverage by simulation" in note for note in first.notes)
    assert round(other.cells[0][0].high, 3) == 0.278


def test_places() -> None:
    up, down = (paper_column(m, shipped()) for m in ("insertion", "max_sensitivity"))
    assert places([60.0, 70.0, None, 65.0], up) == [0, 1, 0, 2]
    assert places([0.5, 0.7, 0.6], down) == [1, 0, 2]
    assert places([60.01, 60.04, 50.0], up) == [1, 1, 2]  # they print alike
    assert places([60.0, 70.0], up) == [0, 0]
    assert places([100.0] * 5, up) == [0] * 5
    assert paper_column("average_drop", shipped()).printed(0.124) == pytest.approx(87.6)


def test_few_images_have_no_place(make_frame) -> None:
    """The best mean of all, on 4 of 10 images: neither first nor in the others' way."""
    values = {"rise": (0.9, 4), "lime": (0.5, 10), "iba": (0.4, 10), "gradcam": (0.3, 5)}
    rows = [
        {"method": method, "metric": "insertion", "image": f"{i}", "value": mean + i * 1e-3}
        for method, (mean, n) in values.items()
        for i in range(n)
    ]
    few = make_frame(rows)
    table = build_tables(few, resamples=2)[0]
    held = {row.method: c for row, line in zip(table.rows, table.cells, strict=True)
            for c in line if c and c.n}  # fmt: skip
    assert {m: c.place for m, c in held.items()} == {"rise": 0, "lime": 1, "iba": 2, "gradcam": 0}
    told = "Neither on fewer than half of its images."
    assert told in legend([table])
    assert told not in legend(build_tables(few[few["method"] != "rise"], resamples=2))


def test_notes(full_study: pd.DataFrame, make_frame) -> None:
    tables = {t.number: t for t in build_tables(full_study, resamples=2)}
    assert any("do not measure the methods" in note for note in tables[3].notes)
    assert any("look swapped" in note for note in tables[4].notes)
    assert not any("averages 4" in note for note in tables[4].notes)
    rows = [{"transform": "crop", "variation": 44}, {"transform": "crop", "variation": 55}]
    rows += [{"method": "rise", **rows[0], "status": "failed"}]
    notes = " ".join(build_table(make_frame(rows), 4).notes)
    assert "Crop (Grad-CAM): mean over 2 variations (44, 55)" in notes
    assert "Crop (RISE): mean over 1 variation (44)" in notes
    assert "as failed (scores): RISE 1" in notes
    assert "swapped" not in notes


def test_empty_table_says_what_fills_it(make_frame) -> None:
    table = build_table(make_frame([{}]), 4)
    assert table.rows == ()
    assert table.notes == ("No scores for Table 4 yet.",)
    assert (table.fill.missing, table.fill.cells) == (200, 200)
    assert "--transform mixup,resize,rotation,crop" in table.fill.command


def test_errors(make_frame) -> None:
    with pytest.raises(UsageError, match="no table 5"):
        build_table(make_frame([{}]), 5)
    with pytest.raises(XaibenchError, match="no scores"):
        build_table(make_frame([{}]).iloc[:0], 1)
    two = pd.concat([make_frame([{}]), make_frame([{}], protocol="reference")])
    with pytest.raises(XaibenchError, match="more than one protocol"):
        build_table(two, 1)


@pytest.mark.parametrize(
    ("whose", "seen"), [("gradient_stand_in", [0, 0, 0]), ("method", [1, 2, 0])]
)
def test_a_stand_ins_explanation_has_no_best(make_frame, whose: str, seen: list[int]) -> None:
    """Max-sensitivity to a map that is not the method's says nothing of the method."""
    rows = [
        {"method": method, "metric": "max_sensitivity", "image": f"{i}", "value": mean + i * 1e-3}
        for method, mean in (("gradcam", 0.1), ("rise", 0.5), ("lime", 0.9))
        for i in range(10)
    ]
    known = declared(sensitivity={"explanation": whose})
    table = build_table(make_frame(rows), 3, resamples=2, catalog=known)
    assert [c.place for line in table.cells for c in line if c and c.n] == seen
