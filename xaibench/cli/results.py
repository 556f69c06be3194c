"""`report`, `audit`, `clean`: what to do with a run directory."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from xaibench.cli import options as o
from xaibench.cli.asked import check_across, check_gallery, check_together, check_values
from xaibench.cli.screen import aside, console, document, echo, next_is, written
from xaibench.cli.sources import (
    AGREEING,
    Wanted,
    drawn,
    find_run,
    other_protocols,
    source_of,
    tables,
    write_page,
)
from xaibench.errors import UsageError, XaibenchError

if TYPE_CHECKING:
    from xaibench.studies.audit import Line

Run = Annotated[
    Optional[Path],
    typer.Argument(help="Run directory. [default: the latest run]", show_default=False),
]
Runs = Annotated[
    Optional[list[Path]],
    typer.Argument(
        help="Run directory; two are set side by side. [default: the latest run]",
        show_default=False,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(
        "report",
        epilog="Examples:\n\n  xaibench report\n\n  xaibench report --table 1\n\n"
        "  xaibench report RUN --compare OTHER_RUN\n\n  xaibench report --claims\n\n"
        "  xaibench report --figures --agreement\n\n  xaibench report --choose --power\n\n"
        "  xaibench report --verify\n\n  xaibench report RUN RUN RUN --across\n\n"
        "  xaibench report RUN OTHER_RUN --html",
    )(report)
    app.command("audit", epilog="Example:\n\n  xaibench audit --fraction 0.05")(audit)
    app.command("clean", epilog="Examples:\n\n  xaibench clean\n\n  xaibench clean --maps --yes")(
        clean
    )


def report(
    run: Runs = None,
    table: Annotated[
        Optional[list[int]], o.option("table", "Tables of the paper to make: 1 to 4; repeatable.")
    ] = None,
    compare: Annotated[
        Optional[Path],
        o.option("compare", "Another run: every cell that both have, side by side."),
    ] = None,
    claims: Annotated[
        bool,
        o.option("claims", "Which of the paper's claims hold, for each run or protocol."),
    ] = False,
    choose: Annotated[
        bool,
        o.option("choose", "Which method to choose: the methods of one run, tested in pairs."),
    ] = False,
    power: Annotated[
        bool,
        o.option("power", "How many images every mean takes, and every two methods to differ."),
    ] = False,
    verify: Annotated[
        bool, o.option("verify", "Which of the paper's printed numbers lie inside our intervals.")
    ] = False,
    across: Annotated[
        bool,
        o.option("across", "Does the ranking hold? The methods' ranks in two runs or more."),
    ] = False,
    figures: Annotated[bool, o.option("figures", "Figures 1 and 2 too, as PNG and SVG.")] = False,
    agreement: Annotated[
        bool, o.option("agreement", "Compare the methods' maps too: a table and a heat map.")
    ] = False,
    page: Annotated[
        Optional[list[str]],
        o.option("page", "A page of report/pages alone, by its file's name; repeatable."),
    ] = None,
    top: Annotated[
        float, o.option("top", "Share of the pixels that --agreement calls top. [default: 0.1]")
    ] = 0.1,
    html: Annotated[
        bool,
        o.option("html", "All there is of any number of runs as a page: report/html/index.html."),
    ] = False,
    single_file: Annotated[
        bool,
        o.option(
            "single-file", "The page of --html as one file beside it: report/html/single-file.html."
        ),
    ] = False,
    gallery: Annotated[
        Optional[int],
        o.option("gallery", "Images in the gallery of --html; 0: no gallery. [default: 100]"),
    ] = None,
    method: o.Method = None,
    metric: o.Metric = None,
    paper: Annotated[
        bool,
        o.option("paper", "The paper's numbers beside ours. [default: with them]", switch=True),
    ] = True,
    as_json: o.Json = None,
) -> None:
    """Tables with the paper's numbers beside ours: terminal, Markdown, CSV, LaTeX, JSON, HTML."""
    check_values(table, top)
    check_gallery(gallery, html or single_file)
    say, html = aside if as_json else echo, html or single_file
    own = {"choose": choose, "power": power, "verify": verify}
    pages = [*(page or ()), *(name for name, asked in own.items() if asked)]
    alone = table or figures or agreement or pages
    check_across(across, len(run or ()), bool(alone or claims or compare or html))
    check_together(html, pages, table, figures or agreement, claims, paper)
    maps = 0 if html or figures or agreement else AGREEING
    directories = _directories(run or [], compare, claims or across, html, say, maps)
    if alone and (claims or len(directories) > 1) and not html:
        raise UsageError(
            "--table, --figures, --choose, --power, --verify, --agreement and --page go with one "
            "run: name one, or leave them out."
        )
    from xaibench.store.remote import place

    wanted, first = Wanted(method or (), metric or (), paper), directories[0]
    if not run and (html or len(directories) > 1 or claims):
        say(f"run {place(first)}")  # a page of one run says it itself
    if html:
        drawing = partial(drawn, figures=figures, agreement=agreement, top=top, whole=wanted.whole)
        index = write_page(directories, single_file, drawing, wanted, gallery)
        if as_json:
            document({"html": index})
        size = f" ({index.stat().st_size / 1e6:,.1f} MB)" * single_file
        say(f"written: {index}{size}; next: open it in a browser")
        return
    from xaibench import report as reports

    screen, into = console(quiet=bool(as_json)), first / "report"
    after: tuple[str | Path, ...] = ("report", *map(place, directories), "--html")
    if pages:
        source = source_of(first, wanted, predictions=True, plain=True)
        paths = reports.write_pages(pages, source, into, screen)
    elif claims or across:
        sources = [source_of(one, wanted, predictions=claims) for one in directories]
        make = reports.write_claims if claims else partial(reports.write_across, paper=paper)
        paths = make(sources, into, screen)
    elif len(directories) > 1:
        one, other = (source_of(directory, wanted) for directory in directories)
        paths = reports.write_comparison(one, other, into, screen)
    else:
        paths = tables(first, table, screen, figures, agreement, top, wanted)
        after = ("report", place(first), "--choose")
    if as_json:
        document({p.stem: json.loads(p.read_text("utf-8")) for p in paths if p.suffix == ".json"})
    say(written(paths, into) + next_is(*after))


def _directories(
    runs: list[Path],
    compare: Path | None,
    many: bool,
    html: bool,
    say: Callable[[str], None],
    first: int,
) -> list[Path]:
    """The runs that a report is of; UsageError for too many, and for one given twice."""
    find = partial(find_run, first=first)
    found = [find(one) for one in runs] or [find(None)]
    found += [find(compare)] if compare else []
    if many and not (runs or compare):
        found += other_protocols(found[0], say)
    if not (many or html) and len(found) > 2:
        raise UsageError(
            f"{len(found)} runs: side by side go two (--across, --claims and --html take more)."
        )
    if len({directory.resolve() for directory in found}) < len(found):
        raise UsageError(f"{found[-1]} is given twice: name another run.")
    return found


def audit(
    run: Run = None,
    fraction: Annotated[
        float, typer.Option("--fraction", envvar="XAIBENCH_FRACTION", help="Share of the images.")
    ] = 0.02,
    seed: Annotated[
        int, typer.Option("--seed", envvar="XAIBENCH_SEED", help="Seed of the sample.")
    ] = 0,
    as_json: o.Json = None,
) -> None:
    """Re-score a random sample with oracles and Quantus; exit 1 where one disagrees."""
    directory = find_run(run)
    from xaibench.studies.audit import audit as run_audit

    say = aside if as_json else echo
    lines = run_audit(directory, fraction, seed, say=say)
    bad = sum(not line.good for line in lines)
    if as_json:
        document({"run": directory, "good": not bad, "lines": [vars(line) for line in lines]})
    else:
        for text in _audited(lines):
            echo(text)
    if bad or not lines:
        what = f"{bad} comparisons are out of tolerance" if bad else "nothing could be compared"
        raise XaibenchError(f"{what} in {directory}: do not use these numbers before you know why.")
    say(f"{directory}: all {len(lines)} within tolerance{next_is('report', directory)}")


def _audited(lines: Sequence[Line]) -> Iterator[str]:
    """The comparisons as a table; a line that is too long for the screen is folded."""
    yield f"{'metric':<32} {'against':<8} {'values':>6} {'largest':>9} {'allowed':>9}"
    for line in lines:
        near = f"  {line.left_out} near-ties left out" if line.left_out else ""
        verdict = "" if line.good else f"  OUT OF TOLERANCE: {line.worst}"
        yield (
            f"{line.metric:<32} {line.source:<8} {line.compared:>6} {line.largest:>9.1e} "
            f"{line.tolerance:>9.1e}{near}{verdict}"
        )


def clean(
    run: Run = None,
    maps: Annotated[bool, o.option("maps", "Delete cached maps and normalised copies.")] = False,
    scores: Annotated[bool, o.option("scores", "Delete scores and reports too.")] = False,
    yes: Annotated[bool, o.option("yes", "Delete without asking.")] = False,
    as_json: o.Json = None,
) -> None:
    """Show what a run directory holds, how large it is and what is safe to delete."""
    directory = find_run(run, read=False)
    from xaibench.store import layout
    from xaibench.store.clean import holdings, remove

    held, say = holdings(directory), aside if as_json else echo
    say(f"{directory}:")
    for item in held:
        say(f"  {item.name:<12} {item.files:>6} files {item.size:>10}  {item.advice}")
    chosen = [i for i in held if (maps and i.kind == "maps") or (scores and i.kind == "scores")]
    names = ", ".join(i.name for i in chosen) or "nothing"
    if chosen and not yes:
        if not sys.stdin.isatty():
            raise XaibenchError("clean asks before it deletes: add --yes where nobody can answer.")
        typer.confirm(f"delete {names}?", abort=True, err=bool(as_json))
    left: list[Path] = []
    if maps or scores:
        from xaibench.store.lock import writing
        from xaibench.store.remote import written as put

        with put(directory, say=say), writing(directory, remedy="wait for its end"):
            # of which images a state was, as long as there are scores that rest on it
            left = remove(directory, chosen, "none" if scores else layout.TABLE)
    if as_json:
        gone = [item.name for item in chosen]
        document({"run": directory, "held": list(map(vars, held)), "deleted": gone, "left": left})
    for path in left:
        say(f"left alone, since no run made it: {path}")
    if maps or scores:
        say(f"{directory}: deleted {names}; the same `xaibench run` makes it anew")
    else:
        say("nothing deleted; choose with --maps or --scores")
