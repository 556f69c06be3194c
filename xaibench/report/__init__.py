"""The report: from per-image scores to the paper's tables, with the paper's numbers beside ours.

A page is a file in `pages/` that builds a `document.Document`; `write_page` prints it and writes
its files. Scores alone are read, no model is imported, and pandas and rich only when it is written.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaibench.errors import XaibenchError, fold, reason, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from rich.console import Console

    from xaibench.analysis.accuracy import Accuracy
    from xaibench.analysis.agreement import Agreement
    from xaibench.analysis.compare import Source
    from xaibench.analysis.fill import RunWords
    from xaibench.analysis.stopped import Stopped
    from xaibench.analysis.ties import Tied
    from xaibench.config.catalog import Catalog
    from xaibench.report.document import Document

RENDERERS = {"md": "markdown", "csv": "csv", "json": "json", "tex": "latex", "html": "html"}
"""The files of `render/` by the ending of what they write."""


def write_page(page: Document, folder: Path, console: Console) -> list[Path]:
    """Print a page and write its files into `folder`, each replaced atomically; returns these.

    Raises:
        XaibenchError: where the folder cannot be written.
    """
    from xaibench.report.render.terminal import show
    from xaibench.store.atomic import write

    paths = []
    for kind in page.formats:
        text = import_module(f"xaibench.report.render.{RENDERERS[kind]}").render(page)
        paths.append(folder / f"{page.name}.{kind}")
        write(paths[-1], partial(Path.write_text, data=text, encoding="utf-8", newline=""))
    show(console, page)
    return paths


def write_report(
    scores: pd.DataFrame,
    out_dir: Path,
    tables: list[int] | None,
    console: Console,
    run: RunWords | None = None,
    catalog: Catalog | None = None,
    tied: Tied | None = None,
    notes: Sequence[str] = (),
    stopped: Stopped | None = None,
    *,
    accuracy: Accuracy | None = None,
    name: str = "",
    paper: bool = True,
    whole: bool = True,
    identity: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Print the tables and write `tables.md`, `.csv`, `.json`, `.tex` and `.html` into `out_dir`.

    Args:
        scores: tidy frame, one row an image, method, target, transform, variation and metric.
        out_dir: directory to write in; made if missing.
        tables: numbers of the paper's tables, or None for those that have scores.
        console: where the tables are printed.
        run: options that name the run directory, for the commands that fill what is missing
            (`studies.words.run_words`).
        catalog: what the run's methods and metrics declare (`store.catalog.catalog_in`); by default
            what is shipped and what the values give away.
        tied: shares of tied pixels (`xaibench.studies.ties.measure_ties`), for the report on ties.
        notes: what else has to be said above the tables.
        stopped: how the run came to its images, where it stopped when sure.
        accuracy: how often the network was right on these images.
        name: of the run, which the page says first.
        paper: whether the paper's numbers stand beside ours.
        whole: whether these are all of the run's scores, so that what is not there is missing.
        identity: what the run's manifest says it is, the network's weights among it.

    Raises:
        XaibenchError: unknown table, no scores, or scores of more than one run.
    """
    from xaibench.analysis.header import build_header
    from xaibench.analysis.tables import build_tables
    from xaibench.analysis.ties import ties_tables
    from xaibench.report.pages.tables import page
    from xaibench.report.runs import with_runs

    header = build_header(scores, catalog, identity)
    header = replace(header, notes=(*(header.notes if paper else ()), *notes))
    built = build_tables(scores, tables, run=run, catalog=catalog, stopped=stopped, beside=paper)
    built += ties_tables(scores, catalog, tied, run) if tables is None else []
    built = built if whole else [replace(table, fill=None) for table in built]
    return write_page(with_runs(page(header, built, paper), {name: accuracy}), out_dir, console)


def write_pages(
    names: Sequence[str], source: Source, out_dir: Path, console: Console
) -> list[Path]:
    """Print pages of one run and write their files into `out_dir`.

    names: of files in `pages/` with a function `of_run(source) -> Document`.

    Raises:
        UsageError: for a name that there is no such file of.
        XaibenchError: for a file that cannot be imported.
    """
    builders = [_builder(name) for name in names]
    return [p for build in builders for p in _write(build(source), [source], out_dir, console)]


def _write(
    page: Document, sources: Sequence[Source], out_dir: Path, console: Console
) -> list[Path]:
    """Write a page of some runs with the accuracy of their networks."""
    from xaibench.report.document import Paragraph
    from xaibench.report.runs import with_runs

    runs = {source.name: source.accuracy for source in sources}
    parts = [
        Paragraph(part, "warn", "Note") for part in dict.fromkeys(s.part for s in sources) if part
    ]
    page = replace(page, blocks=(*parts, *page.blocks))
    return write_page(with_runs(page, runs), out_dir, console)


def _builder(name: str) -> Callable[[Source], Document]:
    """What builds the page of a name. A page that cannot be imported is in nobody else's way."""
    known = [path.stem for path in sorted(Path(__file__).parent.glob("pages/[a-z]*.py"))]
    found: dict[str, Callable[[Source], Document]] = {}
    for page in [fold(name)] if fold(name) in known else known:
        try:
            module = import_module(f"xaibench.report.pages.{page}")
        except Exception as error:
            if page == fold(name):
                raise XaibenchError(
                    f"page {page} cannot be imported ({reason(error)}): mend its file."
                ) from error
            continue
        found |= {page: module.of_run} if hasattr(module, "of_run") else {}
    if fold(name) not in found:
        raise unknown("page", name, found)
    return found[fold(name)]


def write_comparison(a: Source, b: Source, out_dir: Path, console: Console) -> list[Path]:
    """Print two runs side by side and write `compare.md`, `.csv` and `.json` into `out_dir`.

    Raises:
        XaibenchError: no scores, or nothing that both runs have.
    """
    from xaibench.analysis.compare import compare
    from xaibench.report.pages.compare import page

    return _write(page(compare(a, b)), [a, b], out_dir, console)


def write_claims(sources: Sequence[Source], out_dir: Path, console: Console) -> list[Path]:
    """Print which of the paper's claims hold; write `claims.md` and `.json` into `out_dir`.

    Raises:
        XaibenchError: no scores, or scores of more than one run in one source.
    """
    from xaibench.analysis.claims.check import check_claims
    from xaibench.report.pages.claims import page

    return _write(page(*check_claims(list(sources))), sources, out_dir, console)


def write_across(
    sources: Sequence[Source], out_dir: Path, console: Console, paper: bool = True
) -> list[Path]:
    """Print whether rankings hold in several runs; write the page and heat map `across.*`.

    Raises:
        XaibenchError: no scores, or nothing that two of them rank.
    """
    from xaibench.analysis.across import across
    from xaibench.report.figures.across import draw
    from xaibench.report.pages.across import page

    found = across(sources, paper=paper)
    return _write(page(found), sources, out_dir, console) + draw(found, out_dir)


def write_agreement(
    agreement: Agreement,
    out_dir: Path,
    console: Console,
    accuracy: Accuracy | None = None,
    name: str = "",
) -> list[Path]:
    """Print the table; write `agreement.md`, `.csv`, `.json`, `.png` and `.svg` into `out_dir`."""
    from xaibench.analysis.agreement import summarise
    from xaibench.report.figures.heatmap import draw
    from xaibench.report.pages.agreement import page
    from xaibench.report.runs import with_runs

    pairs = summarise(agreement)
    shown = with_runs(page(agreement, pairs), {name: accuracy})
    return write_page(shown, out_dir, console) + draw(agreement, pairs, out_dir)
