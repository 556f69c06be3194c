"""The HTML fragment: well formed, accessible, escaped, no script, every number in it."""

from __future__ import annotations

from xml.etree import ElementTree

import pandas as pd
import pytest

from xaibench.analysis.fill import RunWords
from xaibench.analysis.header import build_header
from xaibench.analysis.tables import build_tables
from xaibench.report.pages.tables import cell_words
from xaibench.report.pages.tables import page as tables_page
from xaibench.report.render.html import render

WILD = "rise(fill=\"<script>alert(1)</script> & 'x'\",n_masks=2000)"


def page(scores: pd.DataFrame, numbers: list[int] | None = None, **more: object):
    """The tables, the fragment, and the fragment as a tree: well formed as XML too."""
    tables = build_tables(scores, numbers, resamples=20, **more)
    text = render(tables_page(build_header(scores), tables))
    return tables, text, ElementTree.fromstring(f"<main>{text}</main>")


@pytest.fixture(scope="module")
def whole(full_study: pd.DataFrame):
    return page(full_study)


def test_every_table_is_a_section_with_a_caption(whole) -> None:
    tables, _, tree = whole
    sections = tree.findall("section")
    assert [s.get("id") for s in sections] == [f"xaibench-table-{n}" for n in (1, 2, 3, 4)]
    for table, section in zip(tables, sections, strict=True):
        caption = section.find(".//caption").text
        assert caption.startswith(f"{table.name}. {table.title} (")
        assert section.find("style") is not None, "a section can be pasted by itself"


def test_cells_stand_in_their_row_and_column(whole) -> None:
    tables, _, tree = whole
    for table, section in zip(tables, tree.findall("section"), strict=True):
        rows = [r for r in section.iter("tr") if r.find("th[@scope='row']") is not None]
        assert [r.find("th").text for r in rows] == [row.label for row in table.rows]
        for line, row in zip(table.cells, rows, strict=True):
            for cell, column, td in zip(line, table.columns, row.findall("td"), strict=True):
                text = cell_words(cell, column.column.digits, table.images)
                said = "".join(td.itertext()).replace("\u2212", "-")
                assert said.startswith(text.text + text.interval)
                assert text.paper in said
                assert td.get("title").startswith(f"n {cell.n} images")
                assert td.get("class") == {0: None, 1: "best", 2: "second"}[cell.place]


def test_heads_have_scopes_and_bars(whole) -> None:
    tables, _, tree = whole
    for table, section in zip(tables, tree.findall("section"), strict=True):
        assert all(head.get("scope") for head in section.iter("th"))
        heads = section.findall(".//th[@scope='col']")[1:]
        assert len(heads) == len(table.columns)
        for column, head in zip(table.columns, heads, strict=True):
            bar = head.find("span[@class='bar']")
            expected = {"average_drop": "AD", "deletion": "D"}.get(column.column.metric)
            assert (None if bar is None else bar.text) == expected
        groups = section.findall(".//th[@scope='colgroup']")
        assert sum(int(g.get("colspan")) for g in groups) in (0, len(table.columns))
    assert len(tree.findall("section")[3].findall(".//th[@scope='colgroup']")) == 4


def test_everything_is_escaped_and_nothing_runs(make_frame) -> None:
    rows = [{"method": WILD}, {"method": "gradcam", "metric": "odd(a='<b>')"}]
    _, text, tree = page(
        make_frame(rows, dataset="<i>data</i>"), run=RunWords({False: ["--out", "a <b>"]})
    )
    assert not list(tree.iter("script"))
    assert not list(tree.iter("i"))
    assert WILD in {t for e in tree.iter("code") for t in e.itertext()}
    assert "<script" not in text
    assert "javascript" not in text.lower()


def test_gaps_and_the_command(make_frame) -> None:
    rows = [{"method": "gradcam"}, {"method": "rise"}, {"method": "rise", "metric": "deletion"}]
    (table,), _, tree = page(make_frame(rows), run=RunWords({False: ["--out", "it's"]}))
    missing = tree.findall(".//td[@class='missing']")
    assert [td.get("title") for td in missing] == ["not scored"]
    assert tree.find(".//pre/code").text == table.fill.command
    assert table.fill.command.endswith("""--out 'it'"'"'s'""")


def test_an_empty_table_says_so(make_frame) -> None:
    _, _, tree = page(make_frame([{}]), [4])
    (section,) = tree.findall("section")
    assert section.find(".//table") is None
    assert "No scores for Table 4" in "".join(section.itertext())
