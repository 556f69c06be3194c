"""A page of one's own is one file that builds a document: here it is, set in every format."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from xaibench.analysis.compare import Source
from xaibench.errors import UsageError, XaibenchError
from xaibench.report import RENDERERS, write_page, write_pages
from xaibench.report import document as d
from xaibench.report.pages import tables


def page(values: dict[str, float]) -> d.Document:
    """Every kind of block once."""
    records = [
        d.record(("who", "value", "lost"), {"who": w, "value": v, "lost": {"a": 1, "b": 2}})
        for w, v in values.items()
    ]
    best = max(values, key=values.__getitem__)
    cells = tuple(
        (
            d.Cell(f"{v:+.1f}", "[-0.1, 0.2]!", "7.0 (-1.5)", ("3 const",), "strong" * (w == best)),
            None if w != best else d.Cell("yes", tone="good"),
        )
        for w, v in values.items()
    )
    grid = d.Grid(
        ("Group", "Who"),
        (d.Column("100 - X%", "measured", True, "X"), d.Column("sure", "said", left=True)),
        tuple(d.Row(w, "in a few words", "first <group>") for w in values),
        cells,
    )
    words = d.Grid(
        ("[Claim]",),
        (d.Column("[b]x", left=True),),
        (d.Row("long"),),
        ((d.Cell("no"),),),
        widest=None,
    )
    said = (d.Paragraph("holds_here", "good", "A"), d.Paragraph("fails", "bad", "B"))
    return d.Document(
        name="mine",
        formats=tuple(RENDERERS),
        title="A page & more",
        blocks=(d.Paragraph("mind this", "warn", "Note"), d.Bullets(d.small_print(["50%", "b"]))),
        legend="Cells: a number.",
        sections=(
            d.Section("Numbers", (grid, d.Command("run --it"), d.Figure("x.png", "a picture"))),
            d.Section("", (words,)),
            d.Section("1. Claim", (d.Verdict("1a. It reads", "a > b", said),), quote="They say."),
        ),
        fields=("who", "value", "lost"),
        records=records,
        content={"values": values},
    )


VALUES = {"me": 1 / 3, "you": 5.5}


@pytest.fixture
def written(tmp_path: Path) -> dict[str, str]:
    file = io.StringIO()
    paths = write_page(page(VALUES), tmp_path / "new", Console(file=file, width=80))
    assert [path.name for path in paths] == [f"mine.{kind}" for kind in RENDERERS]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(
        path.name for path in paths
    )
    return {path.suffix[1:]: path.read_text() for path in paths} | {"terminal": file.getvalue()}


@pytest.mark.parametrize("kind", ["terminal", "md", "tex", "html"])
def test_every_format_says_everything(written: dict[str, str], kind: str) -> None:
    plain = written[kind].replace("\\", "").replace("\u2212", "-").replace("$-$", "-")
    plain = plain.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    plain = plain.replace("textless{}", "<").replace("textgreater{}", ">").replace("-{}-", "--")
    words = ["A page & more", "mind this", "50%", "Cells: a number.", "Numbers", "me", "you"]
    words += ["first <group>", "in a few words", "+5.5", "+0.3", "[-0.1, 0.2]!", "7.0 (-1.5)"]
    words += ["3 const", "yes", "run --it", "1. Claim", "They say.", "1a. It reads", "a > b"]
    words += ["holds_here", "fails", "measured", "said", "sure", "[Claim]", "[b]x"]
    assert [word for word in words if word not in plain] == []
    if kind != "terminal":
        assert "x.png" in plain
    assert "textbf{}" not in plain, "a grid without a title has no empty caption"


def test_programs_get_the_records(written: dict[str, str]) -> None:
    assert list(csv.reader(io.StringIO(written["csv"]))) == [
        ["who", "value", "lost"],
        ["me", "0.3333333333", "3"],
        ["you", "5.5", "3"],
    ]
    assert json.loads(written["json"]) == {"values": VALUES}


def test_markdown(written: dict[str, str]) -> None:
    lines = written["md"].splitlines()
    assert lines[0] == "# A page & more"
    assert "> **Note.** mind this" in lines
    assert "- **A**: holds\\_here" in lines
    assert "**1a. It reads.** Rule: a \\> b" in lines
    assert "| Group | Who | 100 - X% \u2191 |" in lines
    assert "| --- | --- | ---: |" in lines
    cell = "**+5.5** \\[-0.1, 0.2\\]!<br>paper 7.0 (-1.5)<br>3 const"
    assert f"|  | you<br>in a few words | {cell} |" in lines
    assert "![a picture](x.png)" in lines


def test_html_is_well_formed(written: dict[str, str]) -> None:
    tree = ElementTree.fromstring(f"<main>{written['html']}</main>")
    assert tree.find(".//caption").text == "Numbers"
    assert tree.find(".//td[@class='best']/b").text == "+5.5"
    assert tree.find(".//blockquote").text == "They say."
    assert tree.find(".//img").get("alt") == "a picture"
    assert "".join(tree.find(".//th[@scope='col']/span[@class='bar']").itertext()) == "X"


def test_colours_on_a_terminal(tmp_path: Path) -> None:
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, color_system="standard")
    write_page(page(VALUES), tmp_path, console)
    assert "\x1b[32mA: \x1b[0m" in file.getvalue()
    assert "\x1b[31mB: \x1b[0m" in file.getvalue()
    assert "\x1b[33mNote: mind this" in file.getvalue()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(XaibenchError, match="cannot write"):
        write_page(page(VALUES), tmp_path / "file", Console(file=io.StringIO()))


def test_a_page_is_asked_for_by_its_files_name(
    full_study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`xaibench report --page NAME`: what makes a page reachable is a function in its file."""

    def of_run(source: Source) -> d.Document:
        text = f"{source.scores.image.nunique()} images"
        return d.Document("tables", ("md",), "How many", (), lead=[text])

    monkeypatch.setattr(tables, "of_run", of_run, raising=False)
    source = Source("a run", full_study)
    (path,) = write_pages(["Tables"], source, tmp_path, Console(quiet=True))
    assert "20 images" in path.read_text()
    with pytest.raises(UsageError, match="did you mean 'tables'"):
        write_pages(["tabels"], source, tmp_path, Console(quiet=True))
