"""Names of every hostile kind, in every format of the report and on the terminal: what is shown."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import pytest
from frames import frame
from markdown_it import MarkdownIt
from rich.cells import cell_len
from rich.console import Console

from xaibench.errors import shown
from xaibench.report import RENDERERS, write_report
from xaibench.report import document as d
from xaibench.report.render import csv as csv_page
from xaibench.report.render import html, latex, markdown, terminal
from xaibench.report.render import json as json_page

CONTROLS = {  # a name -> what is seen of it
    "\x1b[31mred\x1b[0m": r"\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\x9b2Jcleared": r"\x9b2Jcleared",
    "two\nlines": r"two\nlines",
    "over\rwritten": r"over\rwritten",
    "a\tb": r"a\tb",
    "\x00nul\x7f": r"\x00nul\x7f",
    "\u202egpj.exe": r"\u202egpj.exe",
    "\u2066isolated\u2069": r"\u2066isolated\u2069",
    "zero\u200bwidth\ufeff": r"zero\u200bwidth\ufeff",
    "line\u2028end": r"line\u2028end",
    "not utf-8 \udcff": r"not utf-8 \udcff",
    "tag\U000e0041": r"tag\U000e0041",
}
PLAIN = ["cat.jpg", "ü,ß (1).jpg", "猫.png", "no\u00a0break", "back\\slash", "😀"]
MARKUP = [
    "a|b",
    "`code`",
    "*star*_line_~~gone~~",
    "[link](http://host.example)",
    "https://host.example/x",
    "www.host.example",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt;",
    "\"quoted\" and 'quoted'",
    "$x_1$ & 50% #{a}~^\\input{x}",
    "[1cm]",
    "*",
    "# head",
    "- item",
    "+ item",
    "1. item",
    "> quote",
    "```",
    "=1+1",
    "+1+cmd",
    "-1+cmd",
    "@SUM(A1)",
    "\uff1dfull()",
    "[bold]rich[/bold]",
]
NAMES = [*CONTROLS, *PLAIN, *MARKUP]


def page_of(name: str) -> d.Document:
    """A page with the name in every place that a text can stand in."""
    paragraph = d.Paragraph(name, "warn", name)
    row = d.Row(name, name, name, name)
    cell = d.Cell(name, name, name, (name,), "strong", name)
    columns = [d.Column(name, name), d.Column("n", name, True, name)]
    rows = [d.Row(name), d.Row(name, code=True)]
    grids = [
        d.Grid(("", "Head"), columns, [row], [[cell] * 2]),
        d.Grid((name,), [d.Column(name)], rows, [[cell], [cell]]),
    ]
    blocks = [paragraph, d.Paragraph(name), d.Bullets([paragraph, d.Paragraph(name)])]
    blocks += [d.Command(name), d.Verdict(name, name, [paragraph])]
    return d.Document(
        name="page",
        formats=tuple(RENDERERS),
        title=name,
        sections=[d.Section(name, blocks, name, name, "key"), d.Section(name, grids, "", name)],
        lead=(name,),
        blocks=[paragraph],
        legend=name,
        fields=("method", "value"),
        records=[{"method": name, "value": -1.5}, {"method": name, "value": None}],
        content={name: [name, {"value": -1.5}]},
    )


def on_terminal(page: d.Document) -> str:
    file = io.StringIO()
    terminal.show(Console(file=file, width=300, force_terminal=False), page)
    return file.getvalue()


@pytest.mark.parametrize(("name", "seen"), CONTROLS.items())
def test_control_characters_are_shown_escaped(name: str, seen: str) -> None:
    assert shown(name) == seen


@pytest.mark.parametrize("name", [*PLAIN, *MARKUP])
def test_other_names_are_shown_as_they_are(name: str) -> None:
    assert shown(name) == name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", RENDERERS)
def test_no_format_holds_a_control_character(name: str, kind: str) -> None:
    text = import_module(f"xaibench.report.render.{RENDERERS[kind]}").render(page_of(name))
    assert shown(text.replace("\n", "")) == text.replace("\n", "")
    text.encode()
    assert text.count("\n") == text_of(kind, "name").count("\n"), "a name adds no line"


def text_of(kind: str, name: str) -> str:
    return str(import_module(f"xaibench.report.render.{RENDERERS[kind]}").render(page_of(name)))


@pytest.mark.parametrize("name", NAMES)
def test_terminal(name: str) -> None:
    text = on_terminal(page_of(name))
    assert shown(text.replace("\n", "")) == text.replace("\n", "")
    assert "".join(text.split()).count("".join(shown(name).split())) >= 20
    if cell_len(shown(name)) < 24 and " " not in name:  # what is wider or has words is folded
        assert text.count("\n") == on_terminal(page_of("name")).count("\n")


@pytest.mark.parametrize("name", NAMES)
def test_json_is_valid_and_holds_the_name_itself(name: str) -> None:
    text = json_page.render(page_of(name))
    assert json.loads(text) == {name: [name, {"value": -1.5}]}


FORMULAS = ("=1+1", "+1+cmd", "-1+cmd", "@SUM(A1)", "+ item", "- item", "\uff1dfull()")


@pytest.mark.parametrize("name", NAMES)
def test_csv_has_no_formula_and_numbers_stay_numbers(name: str) -> None:
    head, *rows = csv.reader(io.StringIO(csv_page.render(page_of(name)), newline=""))
    seen = f"'{name}" if name in FORMULAS else shown(name)
    assert head == ["method", "value"]
    assert rows == [[seen, "-1.5"], [seen, ""]]


@pytest.mark.parametrize("number", ["-1.5", "+2", "-", "1e-5", "-inf"])
def test_csv_leaves_numbers_in_words(number: str) -> None:
    page = d.Document("p", ("csv",), "t", (), fields=("a",), records=[{"a": number}])
    assert csv_page.render(page) == f"a\n{number}\n"


class Reader(HTMLParser):
    """The texts and the elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.texts += [value for _, value in attrs if value]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read_html(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


@pytest.mark.parametrize("name", NAMES)
def test_html(name: str) -> None:
    reader = read_html(html.render(page_of(name)))
    assert reader.tags == read_html(html.render(page_of("name"))).tags
    whole = [text for text in reader.texts if text == shown(name)]
    assert len(whole) >= 10


def tokens(text: str) -> list[str]:
    """The kinds of what a reader of Markdown sees, without texts."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    found = []
    for token in parser.parse(text):
        found.append(token.type)
        found += [t.type for t in token.children or [] if t.type not in ("text", "text_special")]
    return found


def inline_texts(text: str) -> str:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parts = [t for token in parser.parse(text) for t in token.children or []]
    return "".join(t.content for t in parts)


@pytest.mark.parametrize("name", NAMES)
def test_markdown(name: str) -> None:
    text = markdown.render(page_of(name))
    assert tokens(text) == tokens(markdown.render(page_of("name")))
    assert inline_texts(text).count(shown(name)) >= 20
    assert "https://" not in text.replace(f"```\n{name}\n```", "").replace(f"`{name}`", "")
    assert " www." not in text


LATEX = {
    "a|b": r"a\textbar{}b",
    "$x_1$ & 50% #{a}~^\\input{x}": r"\$x\_1\$ \& 50\% \#\{a\}\textasciitilde{}"
    r"\textasciicircum{}\textbackslash{}input\{x\}",
    "\x1b[31mred\x1b[0m": r"\textbackslash{}x1b[31mred\textbackslash{}x1b[0m",
    "\u202egpj.exe": r"\textbackslash{}u202egpj.exe",
    "two\nlines": r"two\textbackslash{}nlines",
    "<script>alert(1)</script>": r"\textless{}script\textgreater{}alert(1)\textless{}/script"
    r"\textgreater{}",
    "猫.png": "?.png",
}


@pytest.mark.parametrize(("name", "seen"), LATEX.items())
def test_latex(name: str, seen: str) -> None:
    assert latex.render(page_of(name)).count(seen) >= 10


@pytest.mark.parametrize("name", ["[1cm]", "*"])
def test_latex_takes_no_row_for_an_option_of_the_one_above(name: str) -> None:
    r"""After `\\` it would read a bracket as a length, and a star as its own."""
    lines = latex.render(page_of(name)).splitlines()
    ends = [i for i, line in enumerate(lines) if line.endswith(r"\\")]
    assert ends
    assert not [lines[i + 1] for i in ends if lines[i + 1].startswith(("[", "*"))]


@pytest.mark.parametrize("name", [n for n in NAMES if "(" not in n and "\udcff" not in n])
def test_the_whole_report_of_a_hostile_run(name: str, tmp_path: Path) -> None:
    """Method, metric, image, model and dataset, through every analysis."""
    rows = [{"method": m, "metric": k} for m in (name, "gradcam") for k in (name, "insertion")]
    rows = [{**row, "image": f"{name}{i}", "value": i / 8} for row in rows for i in range(6)]
    scores = frame(rows, model=name, dataset=name)
    file = io.StringIO()
    paths = write_report(scores, tmp_path, None, Console(file=file, width=200))
    texts = [path.read_text(encoding="utf-8").replace("\n", "") for path in paths]
    assert all(shown(text) == text for text in [*texts, file.getvalue().replace("\n", "")])
    assert shown(name) in file.getvalue()
    held = json.loads((tmp_path / "tables.json").read_text(encoding="utf-8"))
    assert held["run"]["dataset"] == name
