"""Does a run agree with the paper: its printed numbers against the run's intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from xaibench.analysis.compare import Source
from xaibench.analysis.footnotes import UNSURE
from xaibench.analysis.header import PAPER, build_header
from xaibench.analysis.types import Table
from xaibench.analysis.verify import MISS, Printed, Suspect, Tally, Verified, verify
from xaibench.report import document as d
from xaibench.report.text import (
    MISSING,
    count,
    header_line,
    interval,
    number,
    signed,
    target_name,
)

FIELDS = (
    "table method target transform metric mean low high unsure n paper verdict distance suspects"
).split()
TITLE = "Does it agree with the paper?"
SHOWN = 3
"""Suspects of a number that the page names; the files hold all."""


def of_run(source: Source) -> d.Document:
    """Return the page of a run."""
    found = verify(source)
    header = build_header(source.scores, source.catalog, source.identity)
    records = [_record(one) for one in found.printed]
    warnings = [d.Paragraph(note, "warn", "Note") for note in (*header.notes, *source.notes)]
    return d.Document(
        name="verify",
        formats=("md", "csv", "json", "html"),
        title=TITLE,
        lead=(TITLE, header_line(header)),
        blocks=[*warnings, *map(d.Paragraph, sentences(found)), *d.small_print(_reading(found))],
        sections=tuple(_sections(found, header.of_the_paper)),
        fields=FIELDS,
        records=[{**one, "suspects": "; ".join(one["suspects"])} for one in records],
        content={
            "run": asdict(header),
            "of_the_paper": header.of_the_paper,
            "paper": PAPER,
            "sentences": list(sentences(found)),
            "all": _counts(found.tally()),
            "tables": {str(n): _counts(found.tally(n)) for n in _numbers(found)},
            "printed": records,
            "switches": None
            if found.moved is None
            else [{**asdict(m), "suspect": _words(m.suspect)} for m in found.moved],
        },
    )


def sentences(found: Verified) -> Iterator[str]:
    """How many numbers lie inside, and how many misses chance explains."""
    held = found.tally()
    why = "cannot be judged, for want of a sure interval"
    if not held.decided:
        yield f"None of the {held.unsure:,} printed numbers is judged: they {why}."
        return
    alike = sum(one.verdict == "unsure" and one.prints_alike for one in found.printed)
    unsure = f" {held.unsure:,} more {why}" if held.unsure else ""
    unsure += f"; {alike:,} of these print as the paper has them." if alike else "." * bool(unsure)
    yield (
        f"{held.inside:,} of {held.decided:,} printed numbers lie inside the 95% intervals of this "
        f"run, {held.outside:,} outside.{unsure}"
    )
    verdict = "no more than that" if held.by_chance else "more than that"
    yield (
        f"Where all is right, {MISS:.0%} lie outside by chance: of {held.decided:,} "
        f"{held.expected:.1f} on average and at most {held.most:,} in 95 of 100 runs; "
        f"{held.outside:,} is {verdict} (binomial, p {held.p:.2g})."
    )


def _reading(found: Verified) -> Iterator[str]:
    if found.tally().decided:
        yield (
            "The binomial takes the numbers to be independent. They are of the same images, and so "
            "they miss together: chance can leave more outside than it says."
        )
    yield (
        "Inside: give or take half of the last printed digit. A mean that two tables print counts "
        "once, by the first. Distance: from the mean to the printed number, less that half digit, "
        "in half widths of the interval on that side; above 1 is outside."
    )
    if 4 in _numbers(found):
        yield (
            "The paper's Table 4 is itself a mean over 1,000 drawn images: its numbers lie outside "
            "more often by chance than the others."
        )
    if any(one.verdict == "unsure" for one in found.printed):
        yield UNSURE
    for note in dict.fromkeys(one.cell.paper_note for one in found.printed):
        if note:
            yield f"*: the number as it is printed; its note: {note.replace('_', ' ')}."


def _numbers(found: Verified) -> list[int]:
    """The tables that have compared numbers."""
    return list(dict.fromkeys(one.table for one in found.printed))


def _sections(found: Verified, same: bool) -> Iterator[d.Section]:
    yield d.Section("By table", [_by_table(found)], key="by-table")
    if found.outliers:
        doubt = d.small_print([] if found.moved is None else [_doubt(same)])
        yield d.Section("Outside", [*doubt, _outliers(found)], key="outside")
    if found.moved and found.outliers:
        yield d.Section("By switch", [*d.small_print([_SWITCHES]), _switches(found)], key="switch")
    for table in found.tables:
        held = [one for one in found.printed if one.table == table.number]
        if held:
            title = f"{table.name}. {table.title} ({count(table.images, 'image')})"
            yield d.Section(title, [_grid(table, held)], key=f"table-{table.number}")


_SWITCHES = (
    "Of the numbers that a switch can move, how many are outside; beside it, of those that it "
    "cannot move. A switch to blame has many of the first and few of the second."
)


def _doubt(same: bool) -> str:
    other = "" if same else " Here the network or the data differ, which goes first."
    return (
        "Suspects: every switch between this protocol and its counterpart that alone can move the "
        "number; first the one of whose numbers the largest share is outside (By switch). That "
        "says where the misses lie. It is not a finding: by how much and in which direction a "
        f"switch moves a number is not in it, and a cause that is no such switch is not.{other} "
        "`xaibench ablate` measures each."
    )


def _by_table(found: Verified) -> d.Grid:
    heads = "Inside,Outside,Unsure,Outside by chance,at most,p".split(",")
    tallies = [(f"Table {n}", found.tally(n)) for n in _numbers(found)]
    if len(tallies) > 1:
        tallies.append(("All", found.tally()))
    cells = [list(map(d.Cell, _tally(one))) for _, one in tallies]
    return d.Grid(("",), list(map(d.Column, heads)), [d.Row(n) for n, _ in tallies], cells)


def _tally(one: Tally) -> list[str]:
    counts = [one.inside, one.outside, one.unsure]
    return [*map(str, counts), f"{one.expected:.1f}", str(one.most), f"{one.p:.2g}"]


def _outliers(found: Verified) -> d.Grid:
    known = found.moved is not None
    heads = [d.Column("Here"), *[d.Column("Suspects", left=True)] * known]
    rows, cells = [], []
    for one in found.outliers:
        where = target_name(one.key.target, one.key.transform)
        detail = f"Table {one.table}, {where}, n {one.cell.n:,}"
        rows.append(d.Row(f"{one.row.label}, {one.column.header}", detail))
        cells.append([_cell(one), _suspects(one)] if known else [_cell(one)])
    return d.Grid(("Number",), heads, rows, cells)


def _suspects(one: Printed) -> d.Cell:
    names = [suspect.name for suspect in one.suspects]
    more = len(names) - SHOWN
    first, *rest = names[:SHOWN] or [MISSING]
    return d.Cell(first, flags=(*rest, *[f"and {more} more"] * (more > 0)))


def _switches(found: Verified) -> d.Grid:
    heads = [d.Column(head) for head in ("Can move", "outside", "Cannot", "outside of these")]
    moved = found.moved or ()
    cells = [
        [d.Cell(str(n)) for n in (m.can, m.outside, m.cannot, m.outside_of_others)] for m in moved
    ]
    return d.Grid(("Switch",), heads, [d.Row(_words(m.suspect)) for m in moved], cells, widest=60)


def _words(suspect: Suspect) -> str:
    return f"{suspect.name}: {suspect.before} -> {suspect.after}"


def _grid(table: Table, held: list[Printed]) -> d.Grid:
    """A table's numbers as it has them, each with its verdict."""
    by = {(one.row, one.column, one.key.target, one.key.transform): one for one in held}
    shown = {place[1:] for place in by}
    columns = [c for c in table.columns if (c.column, c.target, c.transform) in shown]
    heads = [d.Column(c.column.header, c.group) for c in columns]
    cells = [
        [_cell(by.get((row, c.column, c.target, c.transform)), table.images) for c in columns]
        for row in table.rows
    ]
    rows = [d.Row(row.label) for row in table.rows]
    return d.Grid(("Method",), heads, rows, cells)


def _cell(one: Printed | None, images: int | None = None) -> d.Cell | None:
    """A number; with its images where they are not as many as its table's."""
    if one is None:
        return None
    fewer = images is not None and one.cell.n != images
    digits, cell = one.column.digits, one.cell
    star = "*" * bool(cell.paper_note)
    gap = signed(cell.difference or 0.0, digits)
    tones: dict[str, d.Tone] = {"inside": "", "outside": "bad", "unsure": "dim"}
    return d.Cell(
        number(cell.mean, digits),
        interval(cell.low, cell.high, digits, cell.unsure),
        paper=f"{number(cell.paper, digits)}{star} ({gap})",
        flags=(*_far(one), *[f"n {one.cell.n:,}"] * fewer),
        tone=tones[one.verdict],
        hint=count(cell.n, "image"),
    )


def _far(one: Printed) -> tuple[str, ...]:
    """What is said of a number that is not inside."""
    if one.verdict != "outside":
        return () if one.verdict == "inside" else (one.verdict,)
    return ("outside" if one.distance is None else f"outside, {one.distance:.2f} half widths",)


def _record(one: Printed) -> dict[str, Any]:
    return d.record(
        FIELDS,
        vars(one.cell),
        one.key._asdict(),
        table=one.table,
        metric=one.column.paper,
        verdict=one.verdict,
        distance=one.distance,
        suspects=list(map(_words, one.suspects)),
    )


def _counts(one: Tally) -> dict[str, Any]:
    return {**asdict(one), "decided": one.decided, "expected": one.expected}
