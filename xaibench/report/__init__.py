"""The report: from per-image scores to the paper's tables, with the paper's numbers beside ours.

It reads scores alone and imports no model, and pandas and rich only when a report is written.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from xaibench.analysis.compare import Source
    from xaibench.analysis.fill import RunWords
    from xaibench.analysis.ties import Tied
    from xaibench.config.catalog import Catalog


def write_report(
    scores: pd.DataFrame,
    out_dir: Path,
    tables: list[int] | None,
    console: Console,
    run: RunWords | None = None,
    catalog: Catalog | None = None,
    tied: Tied | None = None,
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

    Returns:
        The files written, each replaced atomically.

    Raises:
        XaibenchError: unknown table, no scores, or scores of more than one run.
    """
    from xaibench.analysis.header import build_header
    from xaibench.analysis.tables import build_tables
    from xaibench.analysis.ties import ties_tables
    from xaibench.report.render.export import to_csv, to_json
    from xaibench.report.render.html import to_html
    from xaibench.report.render.latex import to_latex
    from xaibench.report.render.markdown import to_markdown
    from xaibench.report.render.terminal import print_report

    header = build_header(scores, catalog)
    built = build_tables(scores, tables, run=run, catalog=catalog)
    built += ties_tables(scores, catalog, tied, run) if tables is None else []
    print_report(console, header, built)
    contents = {
        "md": to_markdown(header, built),
        "csv": to_csv(built),
        "json": to_json(header, built),
        "tex": to_latex(header, built),
        "html": to_html(header, built),
    }
    return _write(out_dir, "tables", contents)


def write_comparison(a: Source, b: Source, out_dir: Path, console: Console) -> list[Path]:
    """Print two runs side by side and write `compare.md`, `.csv` and `.json` into `out_dir`.

    Raises:
        XaibenchError: no scores, or nothing that both runs have.
    """
    from xaibench.analysis.compare import compare
    from xaibench.report import compare_text

    compared = compare(a, b)
    compare_text.print_comparison(console, compared)
    contents = {
        "md": compare_text.to_markdown(compared),
        "csv": compare_text.to_csv(compared),
        "json": compare_text.to_json(compared),
    }
    return _write(out_dir, "compare", contents)


def write_claims(sources: list[Source], out_dir: Path, console: Console) -> list[Path]:
    """Print which of the paper's claims hold; write `claims.md` and `.json` into `out_dir`.

    Raises:
        XaibenchError: no scores, or scores of more than one run in one source.
    """
    from xaibench.analysis.claims.check import check_claims
    from xaibench.report import claims_text

    evidence, checked = check_claims(sources)
    claims_text.print_claims(console, evidence, checked)
    contents = {
        "md": claims_text.to_markdown(evidence, checked),
        "json": claims_text.to_json(evidence, checked),
    }
    return _write(out_dir, "claims", contents)


def _write(out_dir: Path, name: str, contents: dict[str, str]) -> list[Path]:
    out_dir.mkdir(parents=True, exist_ok=True)
    return [_replace(out_dir / f"{name}.{kind}", text) for kind, text in contents.items()]


def _replace(path: Path, text: str) -> Path:
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    part.write_text(text, encoding="utf-8", newline="")
    part.replace(path)
    return path
