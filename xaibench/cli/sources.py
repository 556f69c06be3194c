"""What `report` reads of run directories, and the tables that it makes of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xaibench.cli.screen import echo
from xaibench.errors import XaibenchError

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from xaibench.analysis.compare import Source

LARGE = 20_000_000
"""Bytes above which a single file is slow to open and to send."""


def tables(
    directory: Path,
    table: list[int] | None,
    console: Console,
    figures: bool,
    agreement: bool,
    top: float,
) -> list[Path]:
    """The tables of one run, and what else of it is asked for; returns the files written."""
    from xaibench.analysis.header import of_passes
    from xaibench.report import write_report
    from xaibench.store.catalog import catalog_in
    from xaibench.store.layout import unmapped
    from xaibench.store.manifest import identity_of, timings
    from xaibench.store.scores import REPORTED, read_scores
    from xaibench.studies.until import stopped_in
    from xaibench.studies.words import run_words

    held, words = read_scores(directory, REPORTED), run_words(directory)
    tied, notes = None, list[str]()
    if not table and any(directory.glob("maps/*/*/none/none/*.safetensors")):
        from xaibench.studies.ties import measure_ties  # imports torch

        tied = measure_ties(directory, say=notes.append)
        for note in notes:  # whole, where the page folds it
            echo(note, err=True)
    into, catalog = directory / "report", catalog_in(directory)
    if lost := unmapped(directory):
        notes.append(f"{lost[0].upper()}{lost[1:]}.")
    notes += [
        "Stale scores stand among current ones, made by different code or maps: "
        f"{', '.join(held.several)}. Run all of their images again."
    ] * bool(held.several)
    notes += of_passes(identity_of(directory))
    scores = held.frame
    stopped = stopped_in(directory, scores["image"].unique())
    paths = write_report(scores, into, table or None, console, words, catalog, tied, notes, stopped)
    if not table and (seconds := timings(directory)):
        from xaibench.analysis.compare import Source
        from xaibench.report import write_page
        from xaibench.report.pages.time import of_run

        console.print()
        source = Source(str(directory), scores, catalog=catalog, timings=seconds)
        paths += write_page(of_run(source), into, console)
    return paths + drawn(directory, scores, console, figures, agreement, top)


def drawn(
    directory: Path,
    scores: pd.DataFrame,
    console: Console,
    figures: bool,
    agreement: bool,
    top: float,
) -> list[Path]:
    """The agreement of methods and the figures of one run, where they are asked for."""
    paths = list[Path]()
    if agreement:
        from xaibench.studies.agreement import write_agreement

        console.print()
        paths += write_agreement(directory, console, top)
    if figures:
        from xaibench.studies.figures import write_figures

        paths += write_figures(directory, scores)
    return paths


def source_of(directory: Path, predictions: bool = False, plain: bool = False) -> Source:
    """A run as the comparisons and claims of the report read it.

    plain: with the frame of `xaibench.load_scores`, for pages that anybody writes.
    """
    from xaibench.analysis.compare import Source
    from xaibench.store.catalog import catalog_in
    from xaibench.store.manifest import identity_of, timings
    from xaibench.store.read import load_predictions, load_scores
    from xaibench.store.scores import REPORTED, read_scores
    from xaibench.studies.until import stopped_in

    some = predictions and any(directory.glob("predictions/*/*/*.parquet"))
    scores = load_scores(directory) if plain else read_scores(directory, REPORTED).frame
    return Source(
        name=str(directory),
        scores=scores,
        identity=identity_of(directory),
        predictions=load_predictions(directory) if some else None,
        catalog=catalog_in(directory),
        stopped=stopped_in(directory, scores["image"].unique()),
        timings=timings(directory),
    )


def other_protocols(run: Path) -> list[Path]:
    """The latest scored run of every other protocol beside `run`, alike in all else.

    A neighbour whose records are damaged is left out, and that is said.
    """
    from xaibench.store.manifest import by_age, identity_of
    from xaibench.studies.records import check_records

    own = identity_of(run)
    shared = own.keys() - {"protocol", "protocol_sha256", "preprocessing"}
    latest: dict[object, Path] = {}
    for directory in by_age(run.parent):
        try:
            check_records(directory)
        except XaibenchError as error:
            echo(f"left out: {error}")
            continue
        other = identity_of(directory)
        alike = other.keys() == own.keys() and all(other[key] == own[key] for key in shared)
        if alike and other != own and any(directory.glob("scores/**/*.parquet")):
            latest[other["protocol"]] = directory
    return [directory for protocol, directory in latest.items() if protocol != own["protocol"]]


def write_page(
    directories: list[Path], single_file: bool, figures: bool, agreement: bool, top: float
) -> None:
    """The HTML page of runs; says where it is, and how large where it is one file."""
    from rich.console import Console

    from xaibench.studies.page import write_html_page

    sources = [source_of(directory, predictions=True) for directory in directories]
    for directory, source in zip(directories, sources, strict=True):
        drawn(directory, source.scores, Console(), figures, agreement, top)
    index = write_html_page(directories, sources, single_file=single_file)
    size = index.stat().st_size
    echo(f"written: {index}" + f" ({size / 1e6:,.1f} MB)" * single_file)
    if single_file and size > LARGE:
        echo("That is large for one file: without --single-file the page is a directory.", err=True)
