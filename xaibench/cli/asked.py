"""What can be asked of `report`, and what of it together."""

from __future__ import annotations

from xaibench.errors import UsageError


def check_values(table: list[int] | None, top: float) -> None:
    """UsageError for a table that there is none of, and for a share that is none."""
    for number in table or []:
        if number not in (1, 2, 3, 4):
            raise UsageError(f"unknown table {number}: the paper's are 1, 2, 3 and 4.")
    if not 0 < top <= 1:
        raise UsageError(f"top {top:g}: give a share of the pixels, above 0 and at most 1.")


def check_together(
    html: bool, pages: list[str], table: list[int] | None, drawn: bool, claims: bool, paper: bool
) -> None:
    """UsageError for options of which one would be without effect."""
    if html and (table or claims or pages):
        raise UsageError(
            "--html holds all of it: leave --table, --claims, --choose, --power, --verify, --page."
        )
    if pages and (table or drawn):
        raise UsageError(
            "--choose, --power, --verify and --page print pages alone: leave --table, --figures "
            "and --agreement out."
        )
    if (claims or "verify" in pages) and not paper:
        raise UsageError("--claims and --verify are the paper's own: leave --no-paper out.")


def check_across(across: bool, runs: int, others: bool) -> None:
    """UsageError for --across with fewer than two runs, or with what is a page of its own."""
    if across and others:
        raise UsageError(
            "--across is a page of its own: leave --table, --compare, --claims, --choose, --power, "
            "--verify, --figures, --agreement, --page and --html out."
        )
    if across and runs < 2:
        raise UsageError("--across takes two runs or more: xaibench report RUN RUN --across.")


def check_gallery(gallery: int | None, html: bool) -> None:
    """UsageError for a number that is none, or without the page."""
    if gallery is not None and gallery < 0:
        raise UsageError(f"gallery {gallery}: give a number of images, or 0 for no gallery.")
    if gallery is not None and not html:
        raise UsageError("--gallery is a part of the page: add --html.")
