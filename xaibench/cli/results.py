"""`report`, `normalize`, `clean`: what to do with a run directory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from xaibench.cli import options as o
from xaibench.cli.screen import echo
from xaibench.cli.sources import other_protocols, source_of, tables, write_page
from xaibench.errors import UsageError, XaibenchError

Run = Annotated[
    Optional[Path],
    typer.Argument(help=o.shown("Run directory. [default: the latest run]"), show_default=False),
]
Runs = Annotated[
    Optional[list[Path]],
    typer.Argument(
        help=o.shown("Run directory; two are set side by side. [default: the latest run]"),
        show_default=False,
    ),
]
RUNS = Path("results/runs")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(
        "report",
        epilog="Examples:\n\n  xaibench report\n\n  xaibench report --table 1\n\n"
        "  xaibench report RUN --compare OTHER_RUN\n\n  xaibench report --claims\n\n"
        "  xaibench report --figures --agreement\n\n  xaibench report RUN OTHER_RUN --html",
    )(report)
    app.command("normalize", epilog="Example:\n\n  xaibench normalize --method gradcam")(normalize)
    app.command("audit", epilog="Example:\n\n  xaibench audit --fraction 0.05")(audit)
    app.command("clean", epilog="Examples:\n\n  xaibench clean\n\n  xaibench clean --maps --yes")(
        clean
    )


def find_run(run: Path | None, read: bool = True) -> Path:
    """The directory given, or the latest run; read: its records are needed.

    XaibenchError where there is none, or where one of its records is damaged.
    """
    from xaibench.store.layout import is_run
    from xaibench.store.manifest import latest_run

    if run is not None and not is_run(run):
        raise XaibenchError(f"{run} is not a run directory; give the --out of a run.")
    run = run or latest_run(RUNS)
    if read:
        from xaibench.studies.records import check_records

        check_records(run)
    return run


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
        bool, o.option("single-file", "The page of --html as one file, with all in it.")
    ] = False,
) -> None:
    """Tables with the paper's numbers beside ours: terminal, Markdown, CSV, LaTeX, JSON, HTML."""
    _check_values(table, top)
    directories = [find_run(one) for one in run or ()] or [find_run(None)]
    directories += [find_run(compare)] if compare else []
    html = html or single_file
    if html and (table or claims or page):
        raise UsageError("--html holds tables and claims: leave out --table, --claims and --page.")
    if claims and not (run or compare):
        directories += other_protocols(directories[0])
    if not (claims or html) and len(directories) > 2:
        raise UsageError(
            f"{len(directories)} runs: side by side go two (--claims and --html take more)."
        )
    if len({directory.resolve() for directory in directories}) < len(directories):
        raise UsageError(f"{directories[-1]} is given twice: name another run.")
    if (table or figures or agreement or page) and (claims or len(directories) > 1) and not html:
        raise UsageError(
            "--table, --figures, --agreement and --page go with one run: leave them out, or "
            "--claims and --compare."
        )
    if html:
        write_page(directories, single_file, figures, agreement, top)
        return
    from rich.console import Console

    from xaibench import report as reports

    console, into = Console(), directories[0] / "report"
    if page:
        paths = reports.write_pages(
            page, source_of(directories[0], predictions=True, plain=True), into, console
        )
    elif claims:
        sources = [source_of(directory, predictions=True) for directory in directories]
        paths = reports.write_claims(sources, into, console)
    elif len(directories) > 1:
        first, second = (source_of(directory) for directory in directories)
        paths = reports.write_comparison(first, second, into, console)
    else:
        paths = tables(directories[0], table, console, figures, agreement, top)
    echo(f"written: {into}/{{{','.join(p.name for p in paths)}}}")


def _check_values(table: list[int] | None, top: float) -> None:
    """UsageError for a table that there is none of, and for a share that is none."""
    for number in table or []:
        if number not in (1, 2, 3, 4):
            raise UsageError(f"unknown table {number}: the paper's are 1, 2, 3 and 4.")
    if not 0 < top <= 1:
        raise UsageError(f"top {top:g}: give a share of the pixels, above 0 and at most 1.")


def normalize(
    run: Run = None,
    method: o.Method = None,
    target: o.Target = None,
) -> None:
    """Write the normalised maps of a run as .npy files beside a list of image ids (normalized/)."""
    directory = find_run(run)
    from xaibench.stages.normalize import materialize

    for path, count in materialize(directory, method or [], target or []):
        echo(f"{path}: {count} maps")


def audit(
    run: Run = None,
    fraction: Annotated[
        float, typer.Option("--fraction", envvar="XAIBENCH_FRACTION", help="Share of the images.")
    ] = 0.02,
    seed: Annotated[
        int, typer.Option("--seed", envvar="XAIBENCH_SEED", help="Seed of the sample.")
    ] = 0,
) -> None:
    """Re-score a random sample with oracles and Quantus; exit 1 where one disagrees."""
    directory = find_run(run)
    from xaibench.studies.audit import audit as run_audit

    lines = run_audit(directory, fraction, seed, say=echo)
    echo(f"{'metric':<32} {'against':<8} {'values':>6} {'largest':>9} {'allowed':>9}")
    for line in lines:
        near = f"  {line.left_out} near-ties left out" if line.left_out else ""
        verdict = "" if line.good else f"  OUT OF TOLERANCE: {line.worst}"
        echo(
            f"{line.metric:<32} {line.source:<8} {line.compared:>6} {line.largest:>9.1e} "
            f"{line.tolerance:>9.1e}{near}{verdict}"
        )
    bad = sum(not line.good for line in lines)
    if bad or not lines:
        what = f"{bad} comparisons are out of tolerance" if bad else "nothing could be compared"
        raise XaibenchError(f"{what} in {directory}: do not use these numbers before you know why.")


def clean(
    run: Run = None,
    maps: Annotated[bool, o.option("maps", "Delete cached maps and normalised copies.")] = False,
    scores: Annotated[bool, o.option("scores", "Delete scores and reports too.")] = False,
    yes: Annotated[bool, o.option("yes", "Delete without asking.")] = False,
) -> None:
    """Show what a run directory holds, how large it is and what is safe to delete."""
    directory = find_run(run, read=False)
    from xaibench.store import layout
    from xaibench.store.clean import holdings, remove

    held = holdings(directory)
    echo(f"{directory}:")
    for item in held:
        echo(f"  {item.name:<12} {item.files:>6} files {item.size:>10}  {item.advice}")
    chosen = [i for i in held if (maps and i.kind == "maps") or (scores and i.kind == "scores")]
    if not (maps or scores):
        echo("nothing deleted; choose with --maps or --scores")
        return
    names = ", ".join(i.name for i in chosen) or "nothing"
    if chosen and not yes:
        if not sys.stdin.isatty():
            raise XaibenchError("clean asks before it deletes: add --yes where nobody can answer.")
        typer.confirm(f"delete {names}?", abort=True)
    from xaibench.store.lock import writing

    with writing(directory, remedy="wait for its end"):
        # of which images a state was, as long as there are scores that rest on it
        left = remove(directory, chosen, "none" if scores else layout.TABLE)
    echo(f"deleted {names}")
    for path in left:
        echo(f"left alone, since no run made it: {path}")
