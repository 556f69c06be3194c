"""Numbers, counts and names in words, alike on every page and figure."""

from __future__ import annotations

import re

from xaibench.analysis.columns import TARGET_NAMES, Column
from xaibench.analysis.header import Header

MISSING = "-"


def number(value: float | None, digits: int) -> str:
    """Format `value` with `digits` decimals, never as "-0.0"; "-" for None."""
    if value is None:
        return MISSING
    return f"{round(value, digits) + 0.0:.{digits}f}"


def signed(value: float, digits: int) -> str:
    """Format a difference with its sign; zero has none."""
    rounded = round(value, digits) + 0.0
    return f"{rounded:+.{digits}f}" if rounded else f"{rounded:.{digits}f}"


def minus(text: str) -> str:
    """A minus sign, not a hyphen, before a number."""
    return re.sub(r"(?<!\w)-(?=\d)", "\u2212", text)


def interval(low: float | None, high: float | None, digits: int, unsure: bool = False) -> str:
    """Format an interval, with an exclamation mark where it is doubted; "" where it is unknown."""
    if low is None or high is None:
        return ""
    return f"[{number(low, digits)}, {number(high, digits)}]" + "!" * unsure


def count(n: int, what: str) -> str:
    """Format a number of things: "1 image", "2,000 images"."""
    return f"{n:,} {what}{'s' * (n != 1)}"


def target_name(target: str, transform: str = "none") -> str:
    """The target in words, and the transform where there is one."""
    return TARGET_NAMES.get(target, target) + f", {transform}" * (transform != "none")


def barred(column: Column) -> str:
    """Return what the paper sets under a bar, "AD" where it prints 100 - AD; else ""."""
    return column.short if column.paper.endswith("_bar") else ""


def header_line(header: Header) -> str:
    """Return the run in one line."""
    return (
        f"model {header.network}, dataset {header.dataset}, {count(header.images, 'image')}, "
        f"protocol {header.protocol}"
    )
