"""Every takeaway of the paper checked on its own printed tables and on runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xaibench.analysis.claims.claim import Claim
from xaibench.analysis.claims.enough import with_enough
from xaibench.analysis.claims.evidence import Evidence, from_paper, from_run
from xaibench.analysis.claims.finding import Finding
from xaibench.analysis.claims.section_5_2 import SECTION_5_2
from xaibench.analysis.claims.section_5_3 import SECTION_5_3
from xaibench.analysis.compare import Source

CLAIMS = (*SECTION_5_2, *SECTION_5_3)


@dataclass(frozen=True)
class Checked:
    """A claim and what each of its parts came to on each piece of evidence."""

    claim: Claim
    findings: tuple[tuple[Finding, ...], ...]


def check_claims(sources: Sequence[Source]) -> tuple[list[Evidence], list[Checked]]:
    """Check every claim on the paper's printed tables and on each run.

    Args:
        sources: the runs; with `predictions` where metrics are to be held against probability.

    Returns:
        The evidence, the paper's first, and the claims; of each, for each of its parts, a finding
        for each piece of evidence.

    Raises:
        XaibenchError: no scores, or scores of more than one run in one source.
    """
    evidence = [from_paper(), *(from_run(source) for source in sources)]
    checked = [
        Checked(c, tuple(tuple(with_enough(part.check, e) for e in evidence) for part in c.parts))
        for c in CLAIMS
    ]
    return evidence, checked
