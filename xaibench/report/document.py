"""What a page of the report is made of: a file in `pages/` builds it, one in `render/` sets it.

Text is plain and a renderer escapes it. A tone says what is meant, not how it looks.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

Tone = Literal["", "strong", "second", "dim", "warn", "good", "bad"]
"""Plain, the best or sure, the second best, small print, to be heeded, holds, fails."""


@dataclass(frozen=True)
class Paragraph:
    """Text; `label` stands before it and says what it is ("Note") or of which run."""

    text: str
    tone: Tone = ""
    label: str = ""


@dataclass(frozen=True)
class Bullets:
    """A list of lines."""

    items: tuple[Paragraph, ...]


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
    findings: tuple[Paragraph, ...]


@dataclass(frozen=True)
class Column:
    """A column of a grid.

    Attributes:
        head: what stands above it.
        group: neighbours of the same group stand under one heading ("" for none).
        better: whether higher is better; None where nobody says.
        bar: "AD" where the head is "100 - AD%" and a format may set a bar over AD instead.
        left: whether its cells are words.
    """

    head: str
    group: str = ""
    better: bool | None = None
    bar: str = ""
    left: bool = False

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
    """A cell in words; empty strings where there is nothing to say.

    Attributes:
        text: "60.3", or "-" where there is no number.
        interval: "[49.1, 71.0]", with an exclamation mark where a footnote doubts it.
        paper: "66.8 (-6.5)", what the paper prints and the difference.
        flags: what the text hides, such as "3 const".
        tone: how the text stands among the others.
        hint: what may be said to who points at it.
    """

    text: str
    interval: str = ""
    paper: str = ""
    flags: tuple[str, ...] = ()
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

    corner: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    cells: tuple[tuple[Cell | None, ...], ...]
    widest: int | None = 24

    @property
    def head(self) -> str:
        """What heads the labels of families and rows in one column: "" where there are both."""
        return self.corner[0] if len(self.corner) == 1 else ""

    def groups(self) -> list[tuple[str, list[int]]]:
        """The headings over the columns, each with the columns' positions."""
        places = range(len(self.columns))
        return [(n, list(m)) for n, m in groupby(places, key=lambda i: self.columns[i].group)]

    def families(self, columns: Sequence[int]) -> list[tuple[str, list[int]]]:
        """The families, each with the positions of its rows that have a cell in `columns`."""
        held = [i for i, line in enumerate(self.cells) if any(line[c] for c in columns)]
        return [(name, list(rows)) for name, rows in groupby(held, lambda i: self.rows[i].family)]


def small_print(texts: Iterable[str]) -> tuple[Paragraph, ...]:
    """Each text as a paragraph of small print."""
    return tuple(Paragraph(text, "dim") for text in texts)


def record(fields: Sequence[str], *held: Mapping[str, Any], **more: object) -> dict[str, Any]:
    """These fields of what is held, the last that has one; floats are cut to ten digits.

    Their last bits depend on the machine, and results are version-controlled.
    """
    values = ChainMap(more, *reversed(held))
    found = {name: values[name] for name in fields}
    return {k: float(f"{v:.10g}") if isinstance(v, float) else v for k, v in found.items()}


Block = Paragraph | Bullets | Command | Figure | Verdict | Grid


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        title: "" for none.
        blocks: what stands in it.
        quote: the sentence that it is about.
        legend: how its own cells are read, for a format whose sections may be copied one by one.
        key: a name for links.
    """

    title: str
    blocks: tuple[Block, ...]
    quote: str = ""
    legend: str = ""
    key: str = ""


@dataclass(frozen=True)
class Document:
    """A page.

    Attributes:
        name: of its files, without the ending.
        formats: endings of the files to write: "md", "csv", "json", "tex", "html".
        title: what the page is.
        lead: what it is of, in place of the title where the reader has just asked for the page.
        blocks: what is said before the sections.
        legend: how cells are read.
        sections: the parts.
        fields, records: the lines of the CSV file; a mapping of counts becomes their sum there.
        content: the JSON file.
    """

    name: str
    formats: tuple[str, ...]
    title: str
    sections: tuple[Section, ...]
    lead: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    legend: str = ""
    fields: Sequence[str] = ()
    records: Sequence[Mapping[str, Any]] = ()
    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def opening(self) -> tuple[str, ...]:
        """The lead, or the title where there is none."""
        return self.lead or (self.title,)
