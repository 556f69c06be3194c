"""What a page of the report is made of: a file in `pages/` builds it, one in `render/` sets it.

Text is plain and a renderer escapes it; a document holds no control character, since names are
anybody's. A tone says what is meant, not how it looks.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import groupby
from typing import Any, Literal

from xaibench.errors import shown

Tone = Literal["", "strong", "second", "dim", "warn", "good", "bad"]
"""Plain, the best or sure, the second best, small print, to be heeded, holds, fails."""


@dataclass(frozen=True)
class Paragraph:
    """Text; `label` stands before it and says what it is ("Note") or of which run."""

    text: str
    tone: Tone = ""
    label: str = ""


def small_print(texts: Iterable[str]) -> list[Paragraph]:
    """Each text as a paragraph of small print."""
    return [Paragraph(text, "dim") for text in texts]


@dataclass(frozen=True)
class Bullets:
    """A list of lines."""

    items: Sequence[Paragraph]


@dataclass(frozen=True)
class Command:
    """A command to copy."""

    text: str


@dataclass(frozen=True)
class Figure:
    """A picture in the page's folder; `text` is for those who do not see it."""

    file: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """A statement, the rule that decides it, and what was found, each labelled with its run."""

    reads: str
    rule: str
    findings: Sequence[Paragraph]


@dataclass(frozen=True)
class Column:
    """A column: its head, and the group of neighbours under one heading that it belongs to.

    `better` says whether higher is, None where nobody does; `bar` is "AD" where the head is
    "100 - AD%" and a format may set a bar over AD instead; `left` is for words. `again` is the
    name of the table of the page in which the very same column stands before.
    """

    head: str
    group: str = ""
    better: bool | None = None
    bar: str = ""
    left: bool = False
    again: str = ""

    def heading(self, up: str = "\u2191", down: str = "\u2193") -> str:
        """The head with an arrow towards the better values."""
        return self.head if self.better is None else f"{self.head} {up if self.better else down}"


@dataclass(frozen=True)
class Row:
    """A row of a grid; neighbours of the same `family` stand under it.

    `detail` is small print below the label, `brief` the family where room is dear; `code` says that
    the label is something to type.
    """

    label: str
    detail: str = ""
    family: str = ""
    brief: str = ""
    code: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell in words: "60.3" ("-" for no number), "[49.1, 71.0]" ("!" where it is doubted).

    `paper` is "66.8 (-6.5)", its number and the difference; `flags` say what the text hides ("3
    const"); `tone` how it stands among the others; `hint` is for who points at it.
    """

    text: str
    interval: str = ""
    paper: str = ""
    flags: Sequence[str] = ()
    tone: Tone = ""
    hint: str = ""

    @property
    def first(self) -> str:
        """Text and interval in one line."""
        return f"{self.text} {self.interval}".strip()


@dataclass(frozen=True)
class Grid:
    """A table: `cells[row][column]`, None where nothing was measured.

    `corner` heads the labels: of families and of rows where there are families, else of rows alone.
    Labels longer than `widest` characters may be folded; None leaves them the room there is.
    """

    corner: Sequence[str]
    columns: Sequence[Column]
    rows: Sequence[Row]
    cells: Sequence[Sequence[Cell | None]]
    widest: int | None = 24

    @property
    def head(self) -> str:
        """What heads the labels where they share a column: "" with families."""
        return self.corner[0] if len(self.corner) == 1 else ""

    def groups(self) -> list[tuple[str, list[int]]]:
        """The headings over the columns, each with the columns' positions."""
        positions = range(len(self.columns))
        return [(n, list(m)) for n, m in groupby(positions, key=lambda i: self.columns[i].group)]

    def families(self, columns: Sequence[int]) -> list[tuple[str, list[int]]]:
        """The families, each with the positions of its rows that have a cell in `columns`."""
        held = [i for i, line in enumerate(self.cells) if any(line[c] for c in columns)]
        return [(name, list(rows)) for name, rows in groupby(held, lambda i: self.rows[i].family)]


Block = Paragraph | Bullets | Command | Figure | Verdict | Grid


@dataclass(frozen=True)
class Section:
    """A part of a page: a title ("" for none) and blocks.

    `quote` is the sentence that it is about, `legend` how its own cells are read (for a format
    whose sections may be copied one by one), `key` a name for links.
    """

    title: str
    blocks: Sequence[Block]
    quote: str = ""
    legend: str = ""
    key: str = ""


@dataclass(frozen=True)
class Document:
    """A page: the name of its files, and their endings ("md", "csv", "json", "tex", "html").

    `lead` says what it is of, in place of the title where the reader has just asked for the page.
    `blocks` and `legend`, how cells are read, come before the sections. `fields` and `records` are
    the CSV file, where a mapping of counts becomes their sum; `content` is the JSON file. These two
    are for programs and keep names as they are.
    """

    name: str
    formats: Sequence[str]
    title: str
    sections: Sequence[Section]
    lead: Sequence[str] = ()
    blocks: Sequence[Block] = ()
    legend: str = ""
    fields: Sequence[str] = ()
    records: Sequence[Mapping[str, Any]] = ()
    content: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make every text visible (`errors.shown`)."""
        for name in ("title", "sections", "lead", "blocks", "legend"):
            object.__setattr__(self, name, _visible(getattr(self, name)))

    @property
    def opening(self) -> Sequence[str]:
        """The lead, or the title where there is none."""
        return self.lead or (self.title,)


def _visible(part: Any) -> Any:
    """A text, or a part of a page with its texts, as `errors.shown` has them."""
    if isinstance(part, str):
        return shown(part)
    if isinstance(part, list | tuple):
        return type(part)(map(_visible, part))
    if is_dataclass(part) and not isinstance(part, type):
        return type(part)(**{f.name: _visible(getattr(part, f.name)) for f in fields(part)})
    return part


def record(names: Sequence[str], *held: Mapping[str, Any], **more: object) -> dict[str, Any]:
    """These fields of what is held, the last that has one; floats are cut to ten digits.

    Their last bits depend on the machine, and results are version-controlled.
    """
    values = ChainMap(more, *reversed(held))
    kept = {name: values[name] for name in names}
    return {k: float(f"{v:.10g}") if isinstance(v, float) else v for k, v in kept.items()}
