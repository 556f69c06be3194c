"""The page on agreement with the paper: every format, chance, warnings, suspects."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

from frames import EXACT, study
from rich.console import Console

from xaibench.analysis.compare import Source
from xaibench.analysis.verify import Suspect, verify
from xaibench.report import write_pages
from xaibench.report.document import Grid
from xaibench.report.pages.verify import of_run, sentences

NAMES = ("probability", "rise.p", "rise.cells", "rise.n_masks", "rise.weights")
SWITCHES = tuple(Suspect(name, "1", "2") for name in NAMES)


def source(images: int = 20, **run: str) -> Source:
    scores = study(images, ("fakecam", "gradcam", "rise"), **run).astype({"metric": str})
    return Source("run", scores, catalog=EXACT, suspects=lambda keys: dict.fromkeys(keys, SWITCHES))


def test_every_format_has_the_numbers(tmp_path: Path) -> None:
    paths = write_pages(["verify"], source(), tmp_path, Console(quiet=True))
    assert [path.name for path in paths] == [f"verify.{e}" for e in ("md", "csv", "json", "html")]
    content = json.loads(paths[2].read_text())
    with paths[1].open() as file:
        rows = list(csv.DictReader(file))
    found = verify(source())
    assert len(rows) == len(content["printed"]) == len(found.printed) > 100
    verdicts = [one.verdict for one in found.printed]
    assert [row["verdict"] for row in rows] == verdicts
    whole = content["all"]
    assert whole["outside"] == verdicts.count("outside") > 10
    assert sum(one["inside"] for one in content["tables"].values()) == whole["inside"]
    for text in (paths[0].read_text(), paths[3].read_text()):
        assert content["sentences"][0] in text
    assert f"{whole['inside']} of {whole['decided']} printed numbers" in content["sentences"][0]
    outside = [row for row in rows if row["verdict"] == "outside"]
    assert all("rise.weights: 1 -> 2" in row["suspects"] for row in outside), "files name all"


def test_misses_beyond_chance_are_said() -> None:
    said = list(sentences(verify(source())))
    assert "is more than that (binomial" in said[1]
    (only,) = sentences(verify(source(5)))
    assert "None of the" in only
    assert "cannot be judged" in only


def test_outliers_name_the_first_suspects() -> None:
    page = of_run(source())
    titles = [section.title for section in page.sections]
    assert titles[:3] == ["By table", "Outside", "By switch"]
    assert titles[3].startswith("Table 1. ")
    note, grid = page.sections[1].blocks
    assert "not a finding" in note.text
    assert isinstance(grid, Grid)
    assert len(grid.rows) == len(verify(source()).outliers)
    here, suspects = grid.cells[0]
    assert "half widths" in here.flags[0]
    assert (suspects.text, *suspects.flags) == (*NAMES[:3], "and 2 more")
    switches = [row.label for row in page.sections[2].blocks[1].rows]
    assert switches == [f"{name}: 1 -> 2" for name in NAMES]
    marked = [cell for row in page.sections[3].blocks[0].cells for cell in row if cell.flags]
    assert {(cell.flags[0].partition(",")[0], cell.tone) for cell in marked} == {("outside", "bad")}


def test_numbers_on_fewer_images_say_so() -> None:
    """In a table whose other numbers are on more; of what lies outside, always."""
    whole = source()
    few = whole.scores.query("method != 'rise' or image < '0012'")
    assert 10 <= few[few["method"] == "rise"]["image"].nunique() < 20
    page = of_run(replace(whole, scores=few))
    table = page.sections[3].blocks[0]
    n = f"n {few[few['method'] == 'rise']['image'].nunique()}"
    for row, line in zip(table.rows, table.cells, strict=True):
        told = [n in cell.flags for cell in line if cell is not None]
        assert all(told) if row.label == "RISE" else not any(told)
    details = {row.label.split(",")[0]: row.detail for row in page.sections[1].blocks[-1].rows}
    assert details["RISE"].endswith(f", {n}")
    assert details["Grad-CAM"].endswith(", n 20")


def test_without_a_known_protocol_nothing_is_suspected() -> None:
    plain = source()
    page = of_run(Source("run", plain.scores, catalog=EXACT))
    assert page.content["switches"] is None
    assert [section.title for section in page.sections][:2] == ["By table", "Outside"]
    assert [column.head for column in page.sections[1].blocks[0].columns] == ["Here"]


def test_other_weights_of_the_papers_network_are_said() -> None:
    """Weights are not in the scores: `resnet50@random` calls itself resnet50 there."""
    for weights, said in {"random(seed=0)": True, "IMAGENET1K_V1": False}.items():
        page = of_run(replace(source(), identity={"weights": weights}))
        assert page.content["of_the_paper"] is not said
        assert any(f"resnet50 with {weights}" in b.text for b in page.blocks) is said


def test_another_network_is_said_first() -> None:
    other = of_run(source(model="resnet50@random"))
    assert other.content["of_the_paper"] is False
    assert (other.blocks[0].tone, other.blocks[0].label) == ("warn", "Note")
    assert "The model differs here (resnet50@random" in other.blocks[0].text
    assert "the network or the data differ" in other.sections[1].blocks[0].text
    own = of_run(source())
    assert own.content["of_the_paper"] is True
    assert not any("differs here" in getattr(block, "text", "") for block in own.blocks)
    assert "the network or the data differ" not in own.sections[1].blocks[0].text
