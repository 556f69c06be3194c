"""An ablation in words: order, units, dashes, and the same numbers in every format."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from frames import EXACT
from rich.console import Console

from xaibench.analysis.effects import ALL, FROM, INTERACTION, OTHER_QUANTITY, Effect
from xaibench.report import write_page
from xaibench.report.document import Section
from xaibench.report.pages.ablation import Ablation, Listed, legend, page, records
from xaibench.report.render import csv as render_csv
from xaibench.report.render import markdown

BOTH = ("gradcam", "rise")
LISTED = (
    Listed("preprocessing.resize", "squash", "short_side", BOTH),
    Listed("rise.n_masks", "32", "8000", ("rise",)),
    Listed("causal.kernel", "5", "11", BOTH),
    Listed("completeness.test", "exact", "residual", BOTH),
)


def base(method: str, metric: str, mean: float) -> Effect:
    return Effect(method, metric, "ground_truth", "none", "from", FROM, mean, None, None, None, 20)


def moved(method: str, metric: str, switch: str, change: float, **more: object) -> Effect:
    kind = {ALL: "all", INTERACTION: "interaction"}.get(switch, "switch")
    ends = {"low": change - 0.01, "high": change + 0.01}
    values = {"mean": 0.5, "change": change, **ends, "n": 20, **more}
    on = str(values.pop("transform", "none"))
    return Effect(method, metric, "ground_truth", on, kind, switch, **values)  # type: ignore[arg-type]


ABLATION = Ablation(
    "published",
    "reference",
    "resnet50",
    "imagenet",
    LISTED,
    (
        base("gradcam", "insertion", 0.6),
        moved("gradcam", "insertion", "preprocessing.resize", 0.002),
        moved("gradcam", "insertion", "causal.kernel", -0.2, n_constant=2),
        moved("gradcam", "insertion", ALL, -0.19),
        moved("gradcam", "insertion", INTERACTION, 0.008),
        base("gradcam", "average_drop", 0.1),
        moved("gradcam", "average_drop", "preprocessing.resize", 0.03, n=19),
        base("gradcam", "completeness", 0.0),
        moved("gradcam", "completeness", "preprocessing.resize", 0.0, note="unchanged"),
        Effect(
            "gradcam",
            "completeness",
            "ground_truth",
            "none",
            "switch",
            "completeness.test",
            *(None,) * 4,
            0,
            note=OTHER_QUANTITY,
        ),
        base("rise", "insertion", 0.5),
        moved("rise", "insertion", "preprocessing.resize", 0.001),
        moved("rise", "insertion", "rise.n_masks", 0.3),
        moved("rise", "insertion", "causal.kernel", -0.1),
    ),
    EXACT,
)


def table(title: str) -> dict[str, dict[str, str]]:
    (section,) = [s for s in page(ABLATION).sections if s.title.startswith(title)]
    return cells(section)


def cells(section: Section) -> dict[str, dict[str, str]]:
    """Text, interval and flags of every cell by row and heading."""
    (grid,) = section.blocks
    return {
        row.label: {
            column.head: " ".join([cell.first, *cell.flags])
            for column, cell in zip(grid.columns, line, strict=True)
        }
        for row, line in zip(grid.rows, grid.cells, strict=True)
    }


def test_a_method_has_its_switches_in_the_order_of_their_size() -> None:
    assert list(table("Grad-CAM")) == [
        "published",
        "causal.kernel",
        "preprocessing.resize",
        "completeness.test",
        "all of them",
        "interaction",
    ]
    assert list(table("RISE"))[:4] == [
        "published",
        "rise.n_masks",
        "causal.kernel",
        "preprocessing.resize",
    ]


def test_a_small_number_that_doubles_is_a_small_change() -> None:
    """100 - AD of 0.1% becoming 0.2% is less than 90% becoming 80%."""
    made = Ablation(
        "published",
        "reference",
        "m",
        "d",
        LISTED[1:3],
        (
            base("rise", "average_drop", 0.1),
            moved("rise", "average_drop", "rise.n_masks", 0.1),
            base("gradcam", "average_drop", 0.999),
            moved("gradcam", "average_drop", "causal.kernel", 0.001),
        ),
    )
    assert list(cells(page(made).sections[0])) == ["rise.n_masks", "causal.kernel"]


def test_units_are_those_that_the_report_prints() -> None:
    found = table("Grad-CAM")
    assert found["published"]["I%"] == "60.00"
    assert found["causal.kernel"]["I%"] == "-20.00 [-21.00, -19.00] 2 const"
    assert found["published"]["100 - AD%"] == "90.00"
    assert found["preprocessing.resize"]["100 - AD%"] == "-3.00 [-4.00, -2.00] n 19"


def test_what_cannot_move_is_a_dash() -> None:
    found = table("Grad-CAM")
    assert found["causal.kernel"]["100 - AD%"] == "-"
    assert found["completeness.test"] == {
        "I%": "-",
        "100 - AD%": "-",
        "Completeness%": "another quantity",
    }
    assert found["preprocessing.resize"]["Completeness%"] == "unchanged"


def test_over_methods_names_the_one_moved_most() -> None:
    found = table("Largest change over methods")
    assert found["causal.kernel"]["I%"] == "-20.00 Grad-CAM 2 of 2 exclude 0"
    assert found["rise.n_masks"]["I%"] == "+30.00 RISE 1 of 1 exclude 0"
    assert next(iter(found)) == "rise.n_masks"


def test_the_order_of_methods_is_compared_from_three_on() -> None:
    means = {"a": 0.1, "b": 0.2, "c": 0.3}
    starts = [base(m, "insertion", v) for m, v in means.items()]
    swapped = moved("a", "insertion", "causal.kernel", 0.15, mean=0.25)
    listed = (Listed("causal.kernel", "5", "11", tuple(means)),)
    made = Ablation("published", "reference", "m", "d", listed, (*starts, swapped))
    # of three pairs, a-b turns round: (2 - 1) / 3
    assert "order tau 0.33" in cells(page(made).sections[0])["causal.kernel"]["I%"]


ON_CROP = Ablation(
    "published",
    "reference",
    "m",
    "d",
    (
        Listed("preprocessing.resize", "squash", "short_side", ("rise",), ("none", "crop")),
        Listed("crop.box", "group", "image", ("rise",), ("crop",)),
    ),
    (
        base("rise", "insertion", 0.5),
        moved("rise", "insertion", "preprocessing.resize", 0.1),
        replace(base("rise", "insertion", 0.4), transform="crop"),
        moved("rise", "insertion", "preprocessing.resize", 0.2, transform="crop"),
        moved("rise", "insertion", "crop.box", 0.3, transform="crop"),
    ),
)


def test_each_transform_has_a_table_of_its_own() -> None:
    found = {section.title: cells(section) for section in page(ON_CROP).sections}
    plain, on_crop = "RISE, ground-truth class", "RISE, ground-truth class, crop"
    assert list(found) == [plain, on_crop]
    assert list(found[plain]) == ["published", "preprocessing.resize"]
    assert list(found[on_crop]) == ["published", "crop.box", "preprocessing.resize"]
    assert found[on_crop]["published"]["I%"] == "40.00"
    assert found[plain]["preprocessing.resize"]["I%"].startswith("+10.00")
    assert "mean of its variations" in legend(ON_CROP)
    assert "variations" not in legend(ABLATION)


def test_records_say_the_transform() -> None:
    found = [(r["transform"], r["switch"], r["change"]) for r in records(ON_CROP)]
    assert found == [
        ("none", "", None),
        ("none", "preprocessing.resize", 10.0),
        ("crop", "", None),
        ("crop", "crop.box", 30.0),
        ("crop", "preprocessing.resize", 20.0),
    ]
    assert {r["transform"] for r in records(ABLATION)} == {"none"}


def test_csv_and_json_hold_the_same_numbers() -> None:
    held = json.loads(json.dumps(page(ABLATION).content))["effects"]
    read = list(csv.DictReader(io.StringIO(render_csv.render(page(ABLATION)))))
    assert len(held) == len(read) == len(ABLATION.effects)
    for left, right in zip(held, read, strict=True):
        assert {k: "" if v is None else str(v) for k, v in left.items()} == right


def test_records_are_in_printed_units_and_sorted() -> None:
    found = [r for r in records(ABLATION) if r["method"] == "gradcam"]
    drop = next(r for r in found if r["metric"] == "average_drop" and r["kind"] == "switch")
    assert drop["units"] == "average_drop_bar"
    assert (drop["change"], drop["low"], drop["high"]) == (-3.0, -4.0, -2.0)
    assert (drop["before"], drop["after"], drop["n"]) == ("squash", "short_side", 19)
    moved_most = [r["switch"] for r in found if r["metric"] == "insertion"]
    assert moved_most == ["", "causal.kernel", "preprocessing.resize", "", ""]


@pytest.mark.parametrize("width", [50, 80, 120, 200])
def test_the_terminal_cuts_no_number(width: int, tmp_path: Path) -> None:
    console = Console(width=width, file=io.StringIO(), record=True)
    paths = write_page(page(ABLATION), tmp_path, console)
    said = console.export_text()
    assert [p.name for p in paths] == ["ablation.md", "ablation.csv", "ablation.json"]
    assert all(len(line) <= width for line in said.splitlines())
    for text in ("-20.00", "[-21.00, -19.00]", "[-4.00, -2.00]", "unchanged", "n 19"):
        assert text in said
        assert text in markdown.render(page(ABLATION)).replace("\\", "")
    assert (tmp_path / "ablation.md").read_text() == markdown.render(page(ABLATION))
