"""What `report` reads of run directories, and the tables that it makes of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from xaibench.cli.screen import console as screen
from xaibench.cli.screen import echo
from xaibench.errors import XaibenchError

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from xaibench.analysis.agreement import Pair
    from xaibench.analysis.compare import Source
    from xaibench.analysis.measure import Key
    from xaibench.analysis.verify import Suspect
    from xaibench.store.scores import Scores

AGREEING = 100
"""Images whose maps are compared where agreement is one number beside others, and of ties."""
SHOWN = 6
"""Scores that a note names."""
LARGE = 20_000_000
"""Bytes above which a single file is slow to open and to send."""


RUNS = Path("results/runs")


@dataclass(frozen=True)
class Wanted:
    """What of each run is reported: methods and metrics, all without any; the paper's numbers."""

    methods: Sequence[str] = ()
    metrics: Sequence[str] = ()
    paper: bool = True

    @property
    def whole(self) -> bool:
        """Whether it is all."""
        return not (self.methods or self.metrics)


ALL = Wanted()


def find_run(run: Path | None, read: bool = True, first: int = 0) -> Path:
    """The directory given, or the latest run; read: its records are needed.

    Of a URL it is the copy; first: of its maps those of so many first images are enough, 0: all.
    XaibenchError where there is none, or where one of its records is damaged.
    """
    from xaibench.store.latest import latest_run
    from xaibench.store.layout import is_run
    from xaibench.store.remote import fetched

    if run is not None and not is_run(run := fetched(run, first=first)):
        raise XaibenchError(f"{run} is not a run directory; give the --out of a run.")
    run = run or fetched(latest_run(RUNS), first=first)
    if read:
        from xaibench.studies.records import check_records

        check_records(run)
    return run


def tables(
    directory: Path,
    table: list[int] | None,
    console: Console,
    figures: bool,
    agreement: bool,
    top: float,
    wanted: Wanted,
) -> list[Path]:
    """The tables of one run, and what else of it is asked for; returns the files written."""
    from xaibench.analysis.chosen import only, part_of
    from xaibench.analysis.header import of_passes
    from xaibench.report import write_report
    from xaibench.store.accuracy import accuracy_in
    from xaibench.store.catalog import catalog_in
    from xaibench.store.layout import unmapped
    from xaibench.store.manifest import identity_of, timings
    from xaibench.store.remote import place
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
    notes += _stale(directory, held)
    identity = identity_of(directory)
    notes += of_passes(identity)
    notes += [] if wanted.whole else [part_of(wanted.methods, wanted.metrics)]
    scores = only(held.frame, wanted.methods, wanted.metrics)
    methods = set(scores["method"].unique())
    if tied and not wanted.whole:
        tied = tied.of(methods)
    images = scores["image"].unique()
    stopped, accuracy = stopped_in(directory, images), accuracy_in(directory, images)
    paths = write_report(
        scores,
        into,
        table or None,
        console,
        words,
        catalog,
        tied,
        notes,
        stopped,
        accuracy=accuracy,
        name=place(directory),
        paper=wanted.paper,
        whole=wanted.whole,
        identity=identity,
    )
    seconds = [row for row in timings(directory) if row["method"] in methods]
    if not table and seconds:
        from xaibench.analysis.compare import Source
        from xaibench.report import write_page
        from xaibench.report.pages.time import of_run

        console.print()
        source = Source(place(directory), scores, catalog=catalog, timings=seconds)
        paths += write_page(of_run(source), into, console)
    return paths + drawn(directory, scores, console, figures, agreement, top, wanted.whole)


def drawn(
    directory: Path,
    scores: pd.DataFrame,
    console: Console,
    figures: bool,
    agreement: bool,
    top: float,
    whole: bool,
) -> list[Path]:
    """The agreement of methods and the figures of one run, where they are asked for.

    whole: of all methods that have maps, not of those with scores alone.
    """
    paths = list[Path]()
    if agreement:
        from xaibench.studies.agreement import write_agreement

        console.print()
        paths += write_agreement(
            directory, console, top, None if whole else set(scores["method"].unique())
        )
    if figures:
        from xaibench.studies.figures import write_figures

        paths += write_figures(directory, scores)
    return paths


def source_of(
    directory: Path, wanted: Wanted = ALL, predictions: bool = False, plain: bool = False
) -> Source:
    """A run as the comparisons and claims of the report read it.

    plain: with the frame of `xaibench.load_scores`, for pages that anybody writes.
    """
    from xaibench.analysis.chosen import narrowed, only
    from xaibench.analysis.compare import Source
    from xaibench.store.accuracy import accuracy_in
    from xaibench.store.catalog import catalog_in
    from xaibench.store.manifest import identity_of, timings
    from xaibench.store.read import load_predictions
    from xaibench.store.read import plain as in_words
    from xaibench.store.remote import place
    from xaibench.store.scores import COLUMNS, REPORTED, read_scores
    from xaibench.studies.until import stopped_in

    some = predictions and any(directory.glob("predictions/*/*/*.parquet"))
    held = read_scores(directory, COLUMNS if plain else REPORTED)
    scores = in_words(held.frame) if plain else held.frame
    images = only(scores, wanted.methods, wanted.metrics)["image"].unique()
    source = Source(
        name=place(directory),
        scores=scores,
        identity=identity_of(directory),
        predictions=load_predictions(directory) if some else None,
        catalog=catalog_in(directory),
        stopped=stopped_in(directory, images),
        timings=timings(directory),
        accuracy=accuracy_in(directory, images),
        agreement=partial(_agreement, directory),
        notes=_stale(directory, held),
        suspects=partial(_suspects, directory),
    )
    return source if wanted.whole else narrowed(source, wanted.methods, wanted.metrics)


def _stale(directory: Path, held: Scores) -> list[str]:
    """What to say of scores that were made in several ways, or by other code than is here."""
    from xaibench.studies.current import outdated

    mixed = ", ".join(held.several)
    old = [one for one in outdated(directory, held.codes) if one not in held.several]
    some = ", ".join(old[:SHOWN]) + f" and {len(old) - SHOWN} more" * (len(old) > SHOWN)
    lines = {
        f"Stale scores stand among current ones, made by different code or maps: {mixed}. "
        "Run all of their images again.": mixed,
        f"Stale scores, made before their code changed: {some}. The command that made them makes "
        "them anew.": some,
    }
    return [line for line, named in lines.items() if named]


def _agreement(directory: Path) -> list[Pair]:
    """Every two methods' maps on the first images; none without maps of two methods."""
    from xaibench.analysis.columns import TARGET_NAMES
    from xaibench.store.layout import mapped

    targets = [target for target in TARGET_NAMES if len(mapped(directory, target)) > 1]
    if not targets:
        return []
    from xaibench.analysis.agreement import summarise
    from xaibench.studies.agreement import compare  # imports torch

    try:
        return summarise(compare(directory, target=targets[0], first=AGREEING))
    except XaibenchError as error:
        echo(f"agreement of methods is left out: {error}", err=True)
        return []


def _suspects(directory: Path, keys: Iterable[Key]) -> dict[Key, tuple[Suspect, ...]]:
    """What of its protocol's counterpart can move each of a run's cells."""
    from xaibench.store.manifest import stored_protocol
    from xaibench.studies.suspects import suspects  # imports torch

    return suspects(stored_protocol(directory), keys)


def other_protocols(run: Path, say: Callable[[str], None]) -> list[Path]:
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
            say(f"left out: {error}")
            continue
        other = identity_of(directory)
        alike = other.keys() == own.keys() and all(other[key] == own[key] for key in shared)
        if alike and other != own and any(directory.glob("scores/**/*.parquet")):
            latest[other["protocol"]] = directory
    return [directory for protocol, directory in latest.items() if protocol != own["protocol"]]


def write_page(
    directories: list[Path],
    single_file: bool,
    drawing: Callable[[Path, pd.DataFrame, Console], object],
    wanted: Wanted = ALL,
    gallery: int | None = None,
) -> Path:
    """The HTML page of runs; warns of a large file, and returns its path.

    drawing: makes the figures of a run that were asked for.
    """
    from xaibench.studies.page import write_html_page

    sources = [source_of(directory, wanted, predictions=True) for directory in directories]
    for directory, source in zip(directories, sources, strict=True):
        drawing(directory, source.scores, screen(stderr=True))
    options = {"paper": wanted.paper, "whole": wanted.whole, "gallery": gallery}
    index = write_html_page(directories, sources, single_file=single_file, options=options)
    if single_file and index.stat().st_size > LARGE:
        echo("That is large for one file: without --single-file the page is a directory.", err=True)
    return index
