"""How many images it takes, as a page: all formats, counts of pairs, what stands in its cells."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

from frames import EXACT, declared, frame, study
from rich.console import Console

from xaibench.analysis.compare import Source
from xaibench.analysis.power import power
from xaibench.report import write_pages
from xaibench.report.pages.power import SIZES, of_run, sentences

METHODS = ("fakecam", "gradient", "gradcam", "rise")


def source(images: int = 20) -> Source:
    return Source("run", study(images, METHODS).astype({"metric": str}), catalog=EXACT)


def test_every_format_has_the_pairs(tmp_path: Path) -> None:
    paths = write_pages(["power"], source(), tmp_path, Console(quiet=True))
    assert [path.suffix for path in paths] == [".md", ".csv", ".json", ".html"]
    content = json.loads(paths[2].read_text())
    with paths[1].open() as file:
        rows = list(csv.DictReader(file))
    found = power(source())
    assert len(rows) == len(content["pairs"]) == len(found.pairs)
    for row, pair in zip(rows, found.pairs, strict=True):
        assert row["needed"] == ("" if pair.needed is None else str(pair.needed))
        assert (row["first"], row["second"]) == (pair.first.method, pair.second.method)
    told = sum(p.told(500) for p in found.pairs if p.first.target == "ground_truth")
    assert f"500 images tell {told:,} apart" in content["sentences"][0]
    assert content["sentences"][0] in paths[0].read_text()
    assert len({mean["metric"] for mean in content["means"]}) == len(found.columns)


def test_what_is_of_a_stand_in_is_not_counted() -> None:
    stood = declared(sensitivity={"explanation": "gradient_stand_in"})
    own = declared(sensitivity={"explanation": "method"})
    scores = source().scores
    said, whole = (list(sentences(power(Source("run", scores, catalog=c)))) for c in (stood, own))
    told = "Ground-truth class: 12 pairs by metrics of a stand-in for the methods not counted."
    assert said[0] == told  # four methods by MS and AS
    pairs = [int(re.search(r"of (\d+) pairs", text).group(1)) for text in (said[1], whole[0])]
    assert pairs[1] - pairs[0] == 12
    assert not any("stand-in" in text for text in whole)
    alone = scores[scores["metric"].isin(["max_sensitivity", "avg_sensitivity"])]
    assert list(sentences(power(Source("run", alone, catalog=stood)))) == [told]


def test_the_cells() -> None:
    found, page = power(source()), of_run(source())
    titles = [section.title for section in page.sections]
    assert titles[:3] == [
        f"{what}, ground-truth class" for what in ("Means", "Pairs", "Every pair")
    ]
    counts = page.sections[1].blocks[0]
    for row, line in zip(counts.rows, counts.cells, strict=True):
        column = next(c for c in found.columns if c.header == row.label)
        pairs = found.by(column.metric, "ground_truth")
        assert [cell.text for cell in line[:-1]] == [
            str(len(pairs)),
            *(str(sum(p.told(n) for p in pairs)) for n in SIZES),
        ]
        assert [cell.interval for cell in line[1:-1]] == [
            f"[{sum(p.surely_told(n) for p in pairs)}, {sum(p.perhaps_told(n) for p in pairs)}]"
            for n in SIZES
        ]
    every = page.sections[2].blocks[0]
    assert len(every.rows) == 6
    assert "!" not in every.cells[0][0].interval


def test_few_images_are_marked() -> None:
    page = of_run(source(5))
    assert any("too few to know the spread" in block.text for block in page.blocks)
    assert page.sections[2].blocks[0].cells[0][0].interval.endswith("!")


def test_what_stands_on_fewer_images_says_so() -> None:
    whole = source()
    few = whole.scores.query("method != 'rise' or image < '0012'")
    n = f"n {few[few['method'] == 'rise']['image'].nunique()}"
    page = of_run(Source("run", few, catalog=EXACT))
    for section in (page.sections[0], page.sections[2]):
        for row, line in zip(section.blocks[0].rows, section.blocks[0].cells, strict=True):
            told = {cell.flags for cell in line if cell is not None}
            assert told == {(n,) if "RISE" in row.label else ()}
    said = "n: the images that a number is from, where these are not 20."
    assert said in [block.text for block in page.blocks]
    assert said not in [block.text for block in of_run(whole).blocks]


def values(**methods: list[float]) -> Source:
    rows = [
        {"image": str(i), "method": m, "value": value}
        for m, column in methods.items()
        for i, value in enumerate(column)
    ]
    return Source("run", frame(rows), catalog=EXACT)


def test_equal_means_are_never_told_apart_in_the_median() -> None:
    base = [0.1 * i for i in range(10)]
    up = [x + 0.01 * (i % 3) for i, x in enumerate(base)]
    page = of_run(values(gradcam=base, rise=base, lime=base, iba=up))
    counts = page.sections[1].blocks[0]
    assert counts.cells[0][0].text == "6"
    assert counts.cells[0][-1].text == "-", "three of the six have equal means"
    assert "3 have equal means here." in page.content["sentences"][0]


def test_pairs_of_one_image_are_no_equal_means() -> None:
    (sentence,) = of_run(values(gradcam=[0.1], rise=[0.5])).content["sentences"]
    assert "0 have equal means here. Nothing is known of 1 pair of one image." in sentence
