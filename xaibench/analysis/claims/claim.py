"""A takeaway of the paper and the rules that scores hold it to.

A sentence that says two things has two parts. Each part has a rule, stated with its thresholds,
asked of every run and of the paper's own printed tables; `docs/statistics.md` holds how often each
holds on noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xaibench.analysis.claims.evidence import Evidence
from xaibench.analysis.claims.finding import Finding


@dataclass(frozen=True)
class Part:
    """One half of a takeaway, or all of it.

    Attributes:
        key: its name in files.
        reads: what is checked, in a few words.
        rule: when it holds, with the thresholds; it fails where the contrary is shown.
        check: the rule itself; it raises nothing and says what is missing.
    """

    key: str
    reads: str
    rule: str
    check: Callable[[Evidence], Finding]


@dataclass(frozen=True)
class Claim:
    """A takeaway of the paper: its section, its own words, and the parts that are checked."""

    section: str
    quotation: str
    parts: tuple[Part, ...]
