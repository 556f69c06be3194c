"""The page of a check in all formats: sentences first, 80 columns, all numbers."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest
from checks import CONTROLS, evidence, good, scores, similar, switched
from rich.console import Console

from xaibench.analysis.check import judge
from xaibench.analysis.check.evidence import Evidence, Judgement
from xaibench.report import write_page
from xaibench.report.pages.check import page


@pytest.fixture(scope="module")
def held() -> Judgement:
    frame = scores(good)
    down = switched(frame, "rise.p", -2.0, method="rise", metric="insertion")
    same = switched(frame, "insertion(ties=reverse)", 0.0, metric="insertion")
    sane = pd.concat([similar(), similar("fakecam", tests={"weights": 1.0, "class": 1.0})])
    return judge(evidence(frame, sanity=sane, switched=pd.concat([down, same])))


def written(judgement: Judgement, folder: Path, width: int = 80) -> str:
    file = io.StringIO()
    write_page(page(judgement), folder, Console(file=file, width=width))
    return file.getvalue()


def test_terminal(held: Judgement, tmp_path: Path) -> None:
    shown = written(held, tmp_path)
    assert max(map(len, shown.splitlines())) <= 80
    titles = [
        *("What may be believed of RISE", "Of no use for it here", "\nAgainst controls\n"),
        *("\nBeside standard methods\n", "\nSanity of the maps\n", "\nWhat would flip it\n"),
        *("\nCost and maps\n", "\nRules\n"),
    ]
    places = [shown.index(title) for title in titles]
    assert places == sorted(places)
    assert "mean 65.1, of no use" not in shown  # Insertion is of use
    assert "weights drawn anew" in shown
    assert "Fake-CAM: worse" in shown  # under rise.p
    assert "(7/7)" in shown


def test_files(held: Judgement, tmp_path: Path) -> None:
    written(held, tmp_path)
    text = (tmp_path / "check.md").read_text()
    assert text.startswith("# May RISE be believed? 20 images, ground-truth class\n")
    assert "| passed | 20 of 20 | 100 \\[83, 100\\] | 0.10" in text
    lines = list(csv.DictReader(io.StringIO((tmp_path / "check.csv").read_text())))
    kinds = [line["what"] for line in lines]
    assert {k: kinds.count(k) for k in dict.fromkeys(kinds)} == {
        "control": 16,
        "standard": 8,
        "sanity": 5,
        "switch": 4 + 2,
        "cost": 7,
    }
    one = next(x for x in lines if (x["other"], x["metric"]) == ("random", "insertion"))
    beside = next(b for b in held.besides if (b.other, b.metric) == ("random", "insertion"))
    assert float(one["difference"]) == pytest.approx(beside.difference)
    assert one["verdict"] == "better"
    data = json.loads((tmp_path / "check.json").read_text())
    assert data["sentences"] == list(held.sentences)
    assert data["of_no_use"] == ["average_drop", "sparseness"]
    assert len(data["numbers"]) == len(lines)
    assert "May RISE be believed?" in (tmp_path / "check.html").read_text()


def test_the_rules_are_those_in_force(held: Judgement, tmp_path: Path) -> None:
    shown = " ".join(written(held, tmp_path, 200).split())
    assert "Holm for all 24 comparisons in which an image differs, is below 0.01" in shown
    assert "Of no use: not better than noise" in shown


def bare(**more: object) -> Evidence:
    return evidence(scores(good), sanity=similar().iloc[:0], **more)


def test_sections_without_numbers_are_left_out(tmp_path: Path) -> None:
    nothing = {"seconds": {}, "tied": {}, "constant": {}, "standards": ()}
    shown = written(judge(bare(**nothing)), tmp_path)
    assert "Against controls" in shown
    for title in ("Sanity of", "Beside standard", "What would flip", "Cost and maps"):
        assert title not in shown


def test_names_and_reasons_are_anybodys(tmp_path: Path) -> None:
    odd = judge(bare(untested=(("a [b]c[/b] | d\x1b[31m", "so <i>x</i>"),)))
    shown = written(odd, tmp_path)
    assert "[b]c[/b]" in shown
    assert "\x1b" not in shown
    assert "<i>" not in (tmp_path / "check.html").read_text()
    assert set(CONTROLS) == {b.other for b in odd.besides if b.control}
