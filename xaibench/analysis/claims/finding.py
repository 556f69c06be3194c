"""What a rule comes to: a verdict, the numbers behind it, and what the verdict takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xaibench.analysis.stats import MIN_IMAGES, Floats

Verdict = Literal["holds", "fails", "undecided", "not measurable here", "settled by construction"]

HOLDS: Verdict = "holds"
FAILS: Verdict = "fails"
UNDECIDED: Verdict = "undecided"
UNMEASURED: Verdict = "not measurable here"
FACT: Verdict = "settled by construction"

ALPHA = 0.025
"""On either side: 5% two-sided, as the 95% intervals have it."""

UNTIL = "the run stopped when it was sure (--until), which this rule's tests do not allow for"


@dataclass(frozen=True)
class Enough:
    """With how many images, of the same means and spread, something undecided is decided, and how.

    Attributes:
        images: the least number; None where not even `verdict`'s search found one.
        verdict: what it comes to; None without.
    """

    images: int | None
    verdict: Verdict | None


@dataclass(frozen=True)
class Finding:
    """What a claim came to on one piece of evidence.

    Attributes:
        verdict: holds, fails, undecided (neither it nor its contrary is shown), not measurable
            here (nothing scored, or fewer than `MIN_IMAGES` images), or settled by construction
            (no verdict: no data could have turned it round).
        numbers: the numbers behind it, in one line.
        n: images behind it; None where there are none.
        p: one-sided p-value of the verdict, at most `ALPHA`; None without, or where the rule has
            simultaneous intervals in its place.
        needed: what is undecided, decided (`enough`); None otherwise.
    """

    verdict: Verdict
    numbers: str
    n: int | None = None
    p: float | None = None
    needed: Enough | None = None


def nothing_shared() -> Finding:
    """The finding that no image can be used."""
    return Finding(UNMEASURED, "no image has a usable score in every cell needed", 0)


def decide(
    yes: float | Floats, no: float | Floats, n: int | None, numbers: str, exact: bool = True
) -> Finding:
    """Turn the p-values of a claim and of its contrary into a finding.

    Args:
        yes: p-value that the claim holds.
        no: p-value that it does not.
        n: images behind them; None for printed means, where they are 0 or 1.
        numbers: what decided, in one line.
        exact: whether they are p-values, or 0 and 1 for intervals that decide or do not.
    """
    if n is not None and n < MIN_IMAGES:
        few = f"{n} image{'s' * (n != 1)}, fewer than {MIN_IMAGES}"
        return Finding(UNMEASURED, f"{few}; so far: {numbers}", n)
    for verdict, p in ((HOLDS, float(yes)), (FAILS, float(no))):
        if p <= ALPHA:
            return Finding(verdict, numbers, n, p if n is not None and exact else None)
    return Finding(UNMEASURED if n is None else UNDECIDED, numbers, n)
